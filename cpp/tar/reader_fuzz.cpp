// The tar reader: whatever comes, it says the same however the stream is cut into pieces.
#include <algorithm>
#include <vector>

#include "base/fuzz_fixture.hpp"
#include "tar/reader.hpp"
#include "tar/seal_fixture.hpp"

namespace fastlayers {

namespace {

struct Seen {
  tar::Header header;
  std::string body;
};

class Watcher final : public tar::Visitor {
 public:
  void member(tar::Header&& header) override {
    fuzz::require(!open_, "a member within a member");
    open_ = true;
    seen.push_back({std::move(header), {}});
  }
  void body(Bytes bytes) override {
    fuzz::require(open_ && !bytes.empty(), "a body of no member, or of no bytes");
    seen.back().body += as_text(bytes);
  }
  void end_member() override {
    fuzz::require(open_ && seen.back().body.size() == seen.back().header.data_size,
                  "a member ends before its body");
    open_ = false;
  }
  std::vector<Seen> seen;

 private:
  bool open_ = false;
};

struct Reading {
  std::optional<ErrorKind> refused;
  std::vector<Seen> seen;
};

Reading read(std::string_view archive, std::size_t piece_bytes) {
  Watcher watcher;
  Reading reading;
  reading.refused = fuzz::refusal([&] {
    tar::Reader reader(watcher);
    for (std::string_view rest = archive; !rest.empty();
         rest.remove_prefix(std::min(piece_bytes, rest.size()))) {
      reader.feed(as_bytes(rest.substr(0, piece_bytes)));
    }
    reader.finish();
  });
  reading.seen = std::move(watcher.seen);
  return reading;
}

bool is_same(const tar::Header& a, const tar::Header& b) {
  const bool same_extents =
      std::equal(a.extents.begin(), a.extents.end(), b.extents.begin(), b.extents.end(),
                 [](tar::Extent x, tar::Extent y) {
                   return x.logical_offset == y.logical_offset && x.length == y.length;
                 });
  return same_extents && a.type == b.type && a.path == b.path && a.link_target == b.link_target &&
         a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.size == b.size &&
         a.mtime_sec == b.mtime_sec && a.mtime_nsec == b.mtime_nsec && a.xattrs == b.xattrs &&
         a.data_offset == b.data_offset && a.data_size == b.data_size;
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  const std::string_view archive = fuzz::text_of(data, size);
  const Reading whole = read(archive, std::string_view::npos);
  for (const Seen& seen : whole.seen) {
    fuzz::require(seen.header.data_offset <= size, "a body behind the end of the stream");
    fuzz::require(archive.substr(seen.header.data_offset).starts_with(seen.body),
                  "a body that is not where its header says");
  }
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{513}}) {
    const Reading pieces = read(archive, piece_bytes);
    fuzz::require(pieces.refused == whole.refused, "refused for its pieces");
    fuzz::require(pieces.seen.size() == whole.seen.size(), "other members in pieces");
    for (std::size_t i = 0; i < whole.seen.size(); ++i) {
      fuzz::require(is_same(pieces.seen[i].header, whole.seen[i].header) &&
                        pieces.seen[i].body.size() <= archive.size(),
                    "another member in pieces");
    }
  }
  return 0;
}
