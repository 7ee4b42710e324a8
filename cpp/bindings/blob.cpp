#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "blob/blob_store.hpp"
#include "codec/codec.hpp"

namespace fastlayers::bindings {

namespace {

constexpr std::size_t kCopyBytes = 256 * 1024;

codec::Compression parse_compression(const std::string& name) {
  if (name == "gzip") return codec::Compression::gzip;
  if (name == "zstd") return codec::Compression::zstd;
  if (name == "none") return codec::Compression::none;
  throw Error(ErrorKind::invalid, "unknown compression " + name + ": use gzip, zstd or none");
}

class FdSource : public Source {
 public:
  explicit FdSource(int fd) : fd_(fd) {}
  std::size_t read(MutableBytes buffer) override {
    // The bytes looked at for sniffing come first.
    if (at_ < head_.size()) {
      const std::size_t count = std::min(buffer.size(), head_.size() - at_);
      std::memcpy(buffer.data(), head_.data() + at_, count);
      at_ += count;
      return count;
    }
    return sys::read_some(fd_, buffer);
  }
  Bytes peek() {
    std::byte buffer[codec::kSniffBytes];
    while (head_.size() < sizeof(buffer)) {
      const std::size_t count = sys::read_some(fd_, {buffer, sizeof(buffer) - head_.size()});
      if (count == 0) break;
      head_.append(as_text({buffer, count}));
    }
    return as_bytes(head_);
  }

 private:
  int fd_;
  std::string head_;
  std::size_t at_ = 0;
};

class BlobSink : public Sink {
 public:
  explicit BlobSink(blob::BlobWriter writer) : writer(std::move(writer)) {}
  void write(Bytes bytes) override {
    hash.update(bytes);
    writer.write(bytes);
  }
  blob::BlobWriter writer;
  digest::Sha256 hash;
};

template <class Write>
void copy_all(Source& source, Write write) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kCopyBytes);
  while (const std::size_t count = source.read({buffer.get(), kCopyBytes})) {
    write(Bytes{buffer.get(), count});
    check_signals();
  }
}

std::pair<std::string, std::uint64_t> compress_blob(const std::string& root,
                                                    const std::string& digest,
                                                    const std::string& compression, int level) {
  const py::gil_scoped_release release;
  const blob::BlobStore store(root);
  const sys::Fd file = store.open(digest::Digest::parse(digest).hash);
  FdSource source(file.get());
  BlobSink sink(store.writer());
  const auto encoder = codec::compress(parse_compression(compression), level, sink);
  copy_all(source, [&](Bytes bytes) { encoder->write(bytes); });
  encoder->finish();
  sys::sync_file(sink.writer.fd());
  const digest::Digest result{sink.hash.finish()};
  store.publish(sink.writer, result.hash);
  return {result.str(), sink.writer.size()};
}

std::string decompress_fd(int in_fd, int out_fd) {
  const py::gil_scoped_release release;
  FdSource source(in_fd);
  const codec::Compression compression = codec::sniff(source.peek());
  const auto plain = codec::decompress(compression, source);
  copy_all(*plain, [&](Bytes bytes) { sys::write_all(out_fd, bytes); });
  if (compression == codec::Compression::none) return "none";
  return compression == codec::Compression::gzip ? "gzip" : "zstd";
}

}  // namespace

void register_blob(py::module_& module) {
  using digest::Digest;
  module.def("has_blob", [](const std::string& root, const std::string& digest) {
    return sys::exists(root + "/blobs/sha256/" + Digest::parse(digest).hex());
  });
  module.def("blob_path", [](const std::string& root, const std::string& digest) {
    return root + "/blobs/sha256/" + Digest::parse(digest).hex();
  });
  module.def("put_blob", [](const std::string& root, const py::buffer& data) {
    const py::buffer_info info = data.request();
    const py::gil_scoped_release release;
    return blob::BlobStore(root).put(bytes_of(info)).str();
  });
  module.def("read_blob",
             [](const std::string& root, const std::string& digest, std::uint64_t limit) {
               std::string text;
               {
                 const py::gil_scoped_release release;
                 text = blob::BlobStore(root).read(Digest::parse(digest), limit);
               }
               return py::bytes(text);
             });
  module.def("compress_blob", &compress_blob);
  module.def("decompress_fd", &decompress_fd);
}

}  // namespace fastlayers::bindings
