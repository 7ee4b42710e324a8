// A layer as an EROFS index, read back by a reader written from the format: the same names, and for
// each the same attributes and the same place of its bytes.
#include "base/fuzz_fixture.hpp"
#include "erofs/image_reader.hpp"
#include "erofs/index.hpp"
#include "layer/recorder.hpp"
#include "table/resolve.hpp"
#include "tar/seal_fixture.hpp"

namespace fastlayers {

namespace {

constexpr std::uint64_t kDeviceBytes = std::uint64_t{1} << 40;

unsigned file_type(table::Kind kind) {
  switch (kind) {
    case table::Kind::directory:
      return S_IFDIR;
    case table::Kind::symlink:
      return S_IFLNK;
    case table::Kind::character:
      return S_IFCHR;
    case table::Kind::block:
      return S_IFBLK;
    case table::Kind::fifo:
      return S_IFIFO;
    default:
      return S_IFREG;
  }
}

void compare(const table::Table& table, const erofs::ImageReader& image,
             const std::vector<erofs::Device>& devices) {
  for (const table::Entry& e : table.entries()) {
    const erofs::ReadInode inode = image.find(table.path(e));
    fuzz::require((inode.raw.mode & S_IFMT) == file_type(e.kind), "another type");
    if (e.kind != table::Kind::symlink) {
      fuzz::require((inode.raw.mode & 07777) == e.mode, "another mode");
    }
    fuzz::require(inode.raw.uid == e.uid && inode.raw.gid == e.gid, "another owner");
    fuzz::require(inode.raw.mtime == e.mtime_sec, "another time");
    fuzz::require(inode.raw.mtime_nsec == e.mtime_nsec, "other nanoseconds");
    if (e.kind == table::Kind::symlink) {
      fuzz::require(inode.data == table.link(e), "another target");
    }
    if (e.kind == table::Kind::file) {
      fuzz::require(inode.raw.size == e.size, "another size");
      if (e.size > 0) {
        const erofs::ChunkIndex& chunk = inode.chunks.at(0);
        const erofs::Device& device = devices.at(chunk.device - 1U);
        fuzz::require(device.layer == e.layer && device.side == ((e.flags & table::kSide) != 0),
                      "bytes in another file");
        fuzz::require(chunk.start * std::uint64_t{512} == e.data_offset, "bytes elsewhere");
      }
    }
    for (const auto& [name, value] : inode.xattrs) {
      bool known = false;
      for (const auto& [key, expected] : table.xattrs(e)) {
        known = known || (key == name && expected == value);
      }
      fuzz::require(known, "an attribute that nobody gave");
    }
  }
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  fuzz::refusal([&] {
    layer::Recorder recorder("/dev/shm");
    tar::Reader reader(recorder);
    reader.feed(as_bytes(fuzz::text_of(data, size)));
    reader.finish();
    if (size % 512 != 0) return;  // a cut-off tail is the ingest target's
    const table::Table layer = recorder.finish({}, size);
    const table::Table resolved = table::apply(nullptr, layer);
    const std::string path = sys::unique_name("/dev/shm/fastlayers-fuzz-index-");
    const erofs::IndexInfo info = erofs::write_index(
        resolved, [](std::uint32_t, bool) { return kDeviceBytes; }, path);
    std::string bytes = sys::read_file(path, std::uint64_t{1} << 30);
    sys::unlink(path);
    fuzz::require(bytes.size() == info.bytes, "an image of another length");
    compare(resolved, erofs::ImageReader(std::move(bytes)), info.devices);
  });
  return 0;
}
