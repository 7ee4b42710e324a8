#include "erofs/index.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>

#include "base/error.hpp"
#include "erofs/image_reader.hpp"
#include "erofs/sample.hpp"
#include "sys/file.hpp"

namespace fastlayers::erofs {

using table::Kind;

namespace {

std::string scratch_path() {
  return std::filesystem::temp_directory_path() / sys::unique_name("fastlayers-index-");
}

struct Written {
  IndexInfo info;
  std::string bytes;
};

Written write(const table::Table& table, std::uint64_t device_bytes) {
  const std::string path = scratch_path();
  Written result;
  result.info = write_index(
      table, [device_bytes](std::uint32_t, bool) { return device_bytes; }, path);
  result.bytes = sys::read_file(path, std::uint64_t{1} << 30);
  sys::unlink(path);
  return result;
}

Written write(const Sample& sample) { return write(sample.table(), sample.tar().size()); }

ErrorKind refusal(const std::function<void(Sample&)>& spoil) {
  Sample sample;
  sample.file("a", "contents");
  spoil(sample);
  try {
    write(sample);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).size() > 10);
    return error.kind();
  }
  FAIL("was not refused");
  return ErrorKind::system;
}

}  // namespace

TEST_CASE("an index has a checked superblock and its root at number 0") {
  Sample sample;
  sample.file("a", "contents");
  const Written written = write(sample);
  const ImageReader image(written.bytes);
  CHECK(image.super().magic == 0xe0f5e1e2);
  CHECK(image.super().root_nid == 0);
  CHECK(image.super().inodes == 2);
  CHECK(image.super().blocks * 512 == written.bytes.size());
  CHECK(image.super().extra_devices == 1);
  CHECK(written.info.bytes == written.bytes.size());
  // crc32c of the block with a zero checksum, seeded as Linux does; by the bit-wise definition.
  std::string block = written.bytes.substr(1024, 512);
  std::memset(block.data() + 4, 0, 4);
  std::uint32_t crc = 0xffffffff;
  for (const char c : block) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = ((crc ^ (static_cast<unsigned char>(c) >> bit)) & 1) != 0;
      crc = (crc >> 1) ^ (carry ? 0x82f63b78 : 0);
    }
  }
  CHECK(image.super().checksum == crc);
}

TEST_CASE("an empty table needs no devices") {
  const Written written = write(Sample());
  const ImageReader image(written.bytes);
  CHECK(written.info.devices.empty());
  CHECK(image.super().extra_devices == 0);
  CHECK((image.super().feature_incompat & 0x8) == 0);
  CHECK(image.list(image.inode(0)).size() == 2);
}

TEST_CASE("attributes are exact at their limits") {
  Sample sample;
  auto& entry = sample.file("a", "x").entry;
  entry.mode = 07777;
  entry.uid = 4294967294;
  entry.gid = 65536;
  entry.mtime_sec = -62135596800;  // year 1
  entry.mtime_nsec = 999999999;
  auto& far = sample.directory("far").entry;
  far.mtime_sec = std::int64_t{1} << 40;
  const ImageReader image(write(sample).bytes);
  const Inode inode = image.find("a").raw;
  CHECK(inode.mode == (0100000 | 07777));
  CHECK(inode.uid == 4294967294);
  CHECK(inode.gid == 65536);
  CHECK(inode.mtime == -62135596800);
  CHECK(inode.mtime_nsec == 999999999);
  CHECK(image.find("far").raw.mtime == std::int64_t{1} << 40);
}

TEST_CASE("a file is one chunk that points into its layer's file") {
  Sample sample;
  sample.file("pad", std::string(5000, 'p'));
  sample.file("a", std::string(100000, 'x'));
  sample.file("empty", "");
  const ImageReader image(write(sample).bytes);
  const ReadInode inode = image.find("a");
  REQUIRE(inode.chunks.size() == 1);
  CHECK(inode.chunks[0].device == 1);
  CHECK(sample.tar().substr(inode.chunks[0].start * 512ULL, 100000) == std::string(100000, 'x'));
  CHECK(image.find("empty").raw.size == 0);
  CHECK(image.find("empty").chunks.empty());
}

TEST_CASE("only a file beyond the largest chunk takes several") {
  Sample sample;
  sample.add("huge", Kind::file).entry.size = (std::uint64_t{1} << 40) + 1;
  const ImageReader image(write(sample.table(), std::uint64_t{3} << 39).bytes);
  const ReadInode inode = image.find("huge");
  REQUIRE(inode.chunks.size() == 2);
  CHECK(inode.chunks[0].start == 0);
  CHECK(inode.chunks[1].start == 0x80000000);
}

TEST_CASE("devices are the files that are referred to, in order") {
  Sample sample;
  sample.file("a", "1").entry.layer = 3;
  auto& side = sample.file("b", "2").entry;
  side.layer = 1;
  side.flags = table::kSide;
  sample.file("c", "").entry.layer = 2;  // no data
  sample.file("d", "4").entry.layer = 1;
  const Written written = write(sample.table(0, 4), sample.tar().size());
  REQUIRE(written.info.devices.size() == 3);
  CHECK(written.info.devices[0] == Device{1, false, sample.tar().size()});
  CHECK(written.info.devices[1] == Device{1, true, sample.tar().size()});
  CHECK(written.info.devices[2] == Device{3, false, sample.tar().size()});
  const ImageReader image(written.bytes);
  CHECK(image.find("a").chunks[0].device == 3);
  CHECK(image.find("b").chunks[0].device == 2);
  CHECK(image.find("d").chunks[0].device == 1);
  CHECK(image.device(0).blocks == sample.tar().size() / 512);
  CHECK(image.device(0).tag[1] == '2');
  CHECK(std::string_view(reinterpret_cast<const char*>(image.device(1).tag) + 59, 5) == ":side");
}

TEST_CASE("directories are sorted by bytes with the dots among them") {
  Sample sample;
  const std::string names[] = {"!", "-", ".-", ".!", "...", "..a", "a", "\xff", ".a", "+", "0"};
  for (const auto& name : names) sample.file(name, "");
  sample.directory("sub");
  sample.directory("sub/x");
  const ImageReader image(write(sample).bytes);
  const auto root = image.inode(0);
  const auto list = image.list(root);
  CHECK(list.size() == std::size(names) + 3);
  for (std::size_t i = 1; i < list.size(); ++i) CHECK(list[i - 1].name < list[i].name);
  CHECK(root.raw.nlink == 3);
  const auto sub = image.find("sub");
  CHECK(sub.raw.nlink == 3);
  for (const auto& entry : image.list(sub)) {
    if (entry.name == "..") CHECK(entry.nid == 0);
    if (entry.name == ".") CHECK(entry.nid == sub.nid);
  }
}

TEST_CASE("a directory of 50,000 names, and names of 255 bytes") {
  Sample sample;
  sample.directory("many");
  for (int i = 0; i < 50000; ++i) sample.file("many/" + std::to_string(i), "");
  sample.directory("long");
  for (int i = 0; i < 500; ++i) {
    sample.file("long/" + std::to_string(1000 + i) + std::string(251, 'n'), "");
  }
  const ImageReader image(write(sample).bytes);
  for (const auto& [directory, count] : {std::pair{"many", 50002U}, std::pair{"long", 502U}}) {
    const auto list = image.list(image.find(directory));
    CHECK(list.size() == count);
    bool ascending = true;
    for (std::size_t i = 1; i < list.size(); ++i) ascending &= list[i - 1].name < list[i].name;
    CHECK(ascending);
  }
}

TEST_CASE("directories of every size keep their last block whole") {
  Sample sample;
  for (int count = 0; count < 90; ++count) {
    const std::string directory = "d" + std::to_string(count);
    sample.directory(directory);
    for (int i = 0; i < count; ++i) sample.file(directory + "/name" + std::to_string(i), "");
  }
  const ImageReader image(write(sample).bytes);
  for (int count = 0; count < 90; ++count) {
    CHECK(image.list(image.find("d" + std::to_string(count))).size() == 2U + count);
  }
}

TEST_CASE("symlinks of every length read back") {
  Sample sample;
  for (const int length : {1, 60, 383, 384, 447, 448, 449, 511, 512, 513, 4095}) {
    sample.symlink("l" + std::to_string(length), std::string(length, 't'));
  }
  auto& labelled = sample.symlink("labelled", std::string(430, 't'));
  labelled.xattrs = {{"security.selinux", "label"}};
  const ImageReader image(write(sample).bytes);
  for (const auto& item : sample.items()) {
    if (item.entry.kind == Kind::symlink) CHECK(image.find(item.path).data == item.link);
  }
  CHECK(image.find("labelled").xattrs.at("security.selinux") == "label");
}

TEST_CASE("names of a link group are one inode") {
  Sample sample;
  sample.directory("d");
  for (const char* path : {"a", "d/b", "z"}) {
    auto& entry = sample.add(path, Kind::file).entry;
    entry.link_group = 1;
    entry.size = 7;
    entry.data_offset = 0;
  }
  const Written written = write(sample.table(1), 512);
  const ImageReader image(written.bytes);
  CHECK(written.info.inodes == 3);
  CHECK(image.find("a").nid == image.find("d/b").nid);
  CHECK(image.find("a").nid == image.find("z").nid);
  CHECK(image.find("a").raw.nlink == 3);
}

TEST_CASE("devices, fifos, whiteouts and opaque directories") {
  Sample sample;
  auto& device = sample.add("dev", Kind::block).entry;
  device.dev_major = 4095;
  device.dev_minor = 1048575;
  sample.add("pipe", Kind::fifo);
  sample.whiteout("gone");
  auto& opaque = sample.directory("opaque");
  opaque.entry.flags = table::kOpaque;
  opaque.xattrs = {{"user.x", "y"}};
  const ImageReader image(write(sample).bytes);
  CHECK(image.find("dev").raw.mode == (0060000 | 0644));
  CHECK(image.find("dev").raw.data == 0xffffffff);
  CHECK(image.find("pipe").raw.mode == (0010000 | 0644));
  CHECK(image.find("gone").raw.mode == 0020000);
  CHECK(image.find("gone").raw.data == 0);
  CHECK(image.find("opaque").xattrs ==
        std::map<std::string, std::string>{{"trusted.overlay.opaque", "y"}, {"user.x", "y"}});
}

TEST_CASE("extended attributes: empty, long, repeated, many, and those Linux cannot hold") {
  Sample sample;
  Sample::Xattrs many;
  for (int i = 0; i < 300; ++i) many.emplace_back("user." + std::to_string(1000 + i), "v");
  sample.directory("many").xattrs = many;
  sample.directory("many2").xattrs = many;
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  sample.file("a", "x").xattrs = {{"security.capability", capability},
                                  {"system.posix_acl_access", "acl"},
                                  {"user.big", std::string(60000, 'b')},
                                  {"user.empty", ""}};
  sample.file("b", "x").xattrs = {{"com.apple.provenance", "1"}, {"user.empty", ""}};
  sample.file("c", "x").xattrs = {{"com.apple.provenance", "1"}};
  sample.file("d", "x").xattrs = {{"com.apple.provenance", "1"}};
  const Written written = write(sample);
  const ImageReader image(written.bytes);
  CHECK(image.find("many").xattrs.size() == 300);
  CHECK(image.find("many2").xattrs.size() == 300);
  const auto a = image.find("a").xattrs;
  CHECK(a.size() == 4);
  CHECK(a.at("security.capability") == capability);
  CHECK(a.at("user.big") == std::string(60000, 'b'));
  CHECK(a.at("user.empty").empty());
  CHECK(image.find("b").xattrs.size() == 1);
  CHECK(image.find("c").raw.xattr_count == 0);
  CHECK(written.info.xattrs_left_out == 3);
  REQUIRE(image.find("a").chunks.size() == 1);  // they stand behind the xattrs
  CHECK(image.find("a").chunks[0].device == 1);
}

TEST_CASE("the same table gives the same bytes, another one another uuid") {
  Sample sample;
  sample.file("a", "x").xattrs = {{"user.a", "1"}, {"user.b", "2"}};
  const std::string first = write(sample).bytes;
  CHECK(write(sample).bytes == first);
  sample.file("b", "y");
  const ImageReader one(first);
  const ImageReader two(write(sample).bytes);
  CHECK(std::memcmp(one.super().uuid, two.super().uuid, 16) != 0);
}

TEST_CASE("a file that is there already is left alone") {
  const std::string path = scratch_path();
  sys::write_file_atomic(path, as_bytes("mounted"));
  CHECK_THROWS_AS(write_index(
                      Sample().table(), [](std::uint32_t, bool) { return 0ULL; }, path),
                  Error);
  CHECK(sys::read_file(path, 100) == "mounted");
  sys::unlink(path);
}

TEST_CASE("data must lie on whole blocks inside its layer's file") {
  CHECK(refusal([](Sample& s) { s.file("b", "x").entry.data_offset += 1; }) == ErrorKind::invalid);
  CHECK(refusal([](Sample& s) { s.file("b", "x").entry.size = 513; }) == ErrorKind::corrupt);
  CHECK(refusal([](Sample& s) { s.file("b", "x").entry.size = ~std::uint64_t{0}; }) ==
        ErrorKind::corrupt);
  CHECK(refusal([](Sample& s) { s.file("b", "x").entry.data_offset = ~std::uint64_t{511}; }) ==
        ErrorKind::corrupt);
  CHECK(refusal([](Sample& s) { s.file("b", "x").entry.layer = 1; }) == ErrorKind::corrupt);
  Sample sample;
  sample.file("a", "cut");
  CHECK_THROWS_AS(write(sample.table(), 520), Error);  // the file's block ends behind it
  Sample far;
  auto& entry = far.add("far", Kind::file).entry;
  entry.size = 1;
  entry.data_offset = std::uint64_t{1} << 41;
  CHECK_THROWS_AS(write(far.table(), std::uint64_t{1} << 42), Error);
}

TEST_CASE("what EROFS cannot hold is refused by name") {
  CHECK(refusal([](Sample& s) { s.file(std::string(256, 'n'), ""); }) == ErrorKind::unsupported);
  CHECK(refusal([](Sample& s) { s.symlink("l", std::string(4096, 't')); }) ==
        ErrorKind::unsupported);
  CHECK(refusal([](Sample& s) { s.symlink("l", ""); }) == ErrorKind::unsupported);
  CHECK(refusal([](Sample& s) { s.add("c", Kind::character).entry.dev_minor = 1048576; }) ==
        ErrorKind::unsupported);
  for (const auto& [name, value] : Sample::Xattrs{{"user.x", std::string(65536, 'v')},
                                                  {"user.", "v"},
                                                  {"user." + std::string(251, 'n'), "v"},
                                                  {std::string("user.a\0b", 8), "v"},
                                                  {"trusted.overlay.redirect", "/etc"}}) {
    CHECK(refusal([&](Sample& s) {
            s.file("b", "").xattrs = {{name, value}};
          }) == ErrorKind::unsupported);
  }
}

TEST_CASE("a table that is not resolved is refused") {
  for (const char* name : {".", "..", "."}) {
    CHECK(refusal([&](Sample& s) { s.file(name, ""); }) == ErrorKind::invalid);
  }
  CHECK(refusal([](Sample& s) { s.file(std::string("a\0b", 3), ""); }) == ErrorKind::invalid);
  CHECK(refusal([](Sample& s) { s.add("h", Kind::hardlink, "a"); }) == ErrorKind::invalid);
  CHECK(refusal([](Sample& s) { s.add("o", Kind::opaque); }) == ErrorKind::invalid);
  CHECK(refusal([](Sample& s) { s.file("b", "").entry.link_group = 9; }) == ErrorKind::invalid);
  CHECK(refusal([](Sample& s) { s.file("a", ""); }) == ErrorKind::invalid);    // twice
  CHECK(refusal([](Sample& s) { s.file("a/b", ""); }) == ErrorKind::invalid);  // a is a file
  CHECK(refusal([](Sample& s) {
          s.keep_order();
          s.file("0", "");
        }) == ErrorKind::invalid);
  table::TableBuilder builder(table::Order::tar);
  CHECK_THROWS_AS(write(std::move(builder).finish(), 0), Error);
}

}  // namespace fastlayers::erofs
