#include "benchmarks.hpp"
#include "layer/recorder.hpp"
#include "tar/block.hpp"
#include "tar/reader.hpp"
#include "tar/writer.hpp"

namespace micro {

namespace {

using namespace fastlayers;

constexpr std::size_t kChunkBytes = 512 * 1024;

class Counter : public tar::Visitor {
 public:
  void member(tar::Header&& header) override {
    ++members;
    path_bytes += header.path.size();
  }
  void body(Bytes bytes) override { content_bytes += bytes.size(); }
  void end_member() override {}
  std::uint64_t members = 0;
  std::uint64_t path_bytes = 0;
  std::uint64_t content_bytes = 0;
};

// Copies to where the last archive was, so that no new memory is touched.
class BufferSink : public Sink {
 public:
  explicit BufferSink(std::size_t bytes) : buffer_(bytes, '\0') {}
  void write(Bytes bytes) override {
    std::memcpy(&buffer_[at_], bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void rewind() { at_ = 0; }
  const std::string& text() const { return buffer_; }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
};

void parse(const std::string& archive, tar::Visitor& visitor) {
  tar::Reader reader(visitor);
  for (std::size_t at = 0; at < archive.size(); at += kChunkBytes) {
    reader.feed(as_bytes(std::string_view(archive).substr(at, kChunkBytes)));
  }
  reader.finish();
}

table::Table record(const Context& context) {
  layer::Recorder recorder(context.work);
  parse(context.sample.tar, recorder);
  return recorder.finish({}, context.sample.tar.size());
}

void write_archive(const Sample& sample, Sink& out) {
  tar::Writer writer(out);
  for (const tar::Header& header : sample.members) {
    writer.member(header);
    if (header.size > 0) {
      writer.body(as_bytes(std::string_view(sample.tar).substr(header.data_offset, header.size)));
    }
    writer.end_member();
  }
  writer.finish();
}

void check_record(const Context& context, const std::string& name) {
  const Sample& sample = context.sample;
  const table::Table table = record(context);
  require(table.size() == sample.members.size(), name, "another number of entries");
  for (std::size_t i = 0; i < table.size(); ++i) {
    const tar::Header& header = sample.members[i];
    const bool same = table.path(table[i]) == header.path && table[i].size == header.size &&
                      (header.size == 0 || table[i].data_offset == header.data_offset);
    require(same, name, "entry " + header.path);
  }
}

}  // namespace

Figures tar_figures(const Context& context) {
  const Sample& sample = context.sample;
  const std::uint64_t bytes = sample.tar.size();
  const std::uint64_t members = sample.members.size();
  std::uint64_t path_bytes = 0;
  for (const tar::Header& header : sample.members) path_bytes += header.path.size();
  for (const tar::Header& header : sample.members) path_bytes += header.type == tar::kDirectory;

  Counter counter;
  parse(sample.tar, counter);
  require(counter.members == members, "tar parse", "another number of members");
  require(counter.content_bytes == sample.content_bytes, "tar parse", "other contents");
  require(counter.path_bytes == path_bytes, "tar parse", "other names");
  // Bodies are passed on and not looked at: only headers are counted.
  Figure parsing{"tar parse", members * tar::kBlockBytes, members, {}, "memcpy"};
  parsing.timing = measure(context.rounds, [&] { parse(sample.tar, counter); });

  check_record(context, "tar to table");
  Figure recording{"tar to table", bytes, members, {}, "memcpy"};
  recording.timing = measure(context.rounds, [&] { record(context); });

  BufferSink buffer(bytes);
  write_archive(sample, buffer);
  require(buffer.text() == sample.tar, "tar write", "other bytes");
  Figure writing{"tar write", bytes, members, {}, "memcpy"};
  writing.timing = measure(context.rounds, [&] {
    buffer.rewind();
    write_archive(sample, buffer);
  });
  return {parsing, recording, writing};
}

}  // namespace micro
