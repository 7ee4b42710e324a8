#include "tree/unpacker.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::tree {

namespace {

namespace fs = std::filesystem;

// A root with the directory "in" in it, which is unpacked into.
class Place {
 public:
  Place() : path_(fs::temp_directory_path() / sys::unique_name("fastlayers-unpacker-")) {
    fs::create_directories(path_ / "root/in");
    fs::create_directories(path_ / "outside");
    root_ = sys::open(path_ / "root", O_RDONLY | O_DIRECTORY);
    in_ = sys::open(path_ / "root/in", O_RDONLY | O_DIRECTORY);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { fs::remove_all(path_); }

  Unpacker unpacker(bool follows) const {
    return {in_.get(), {false, follows ? root_.get() : -1, "/in"}};
  }
  fs::path in(const std::string& name) const { return path_ / "root/in" / name; }
  fs::path root(const std::string& name) const { return path_ / "root" / name; }
  fs::path outside() const { return path_ / "outside"; }

 private:
  fs::path path_;
  sys::Fd root_;
  sys::Fd in_;
};

void add(Unpacker& unpacker, char type, const std::string& path, const std::string& text = "",
         const std::string& link = "") {
  tar::Header header;
  header.type = type;
  header.path = path;
  header.link_target = link;
  header.mode = type == tar::kDirectory ? 0755 : 0644;
  header.size = header.data_size = text.size();
  unpacker.member(std::move(header));
  if (!text.empty()) unpacker.body(as_bytes(text));
  unpacker.end_member();
}

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

ErrorKind failure(Unpacker& unpacker, char type, const std::string& path) {
  try {
    add(unpacker, type, path);
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("it was accepted");
  return ErrorKind::system;
}

}  // namespace

TEST_CASE("members are made below the directory, with what is missing on the way") {
  const Place place;
  Unpacker unpacker = place.unpacker(false);
  add(unpacker, tar::kFile, "/a/b/file", "one");
  add(unpacker, tar::kHardlink, "./a/link", "", "a/b/file");
  add(unpacker, tar::kFile, "a/b/../file", "two");
  add(unpacker, tar::kDirectory, "./");
  unpacker.finish();
  CHECK(read(place.in("a/b/file")) == "one");
  CHECK(read(place.in("a/file")) == "two");
  CHECK(fs::hard_link_count(place.in("a/link")) == 2);
}

TEST_CASE("what climbs out is refused") {
  const Place place;
  Unpacker unpacker = place.unpacker(true);
  CHECK(failure(unpacker, tar::kFile, "../x") == ErrorKind::traversal);
  CHECK(failure(unpacker, tar::kDirectory, "a/../../x") == ErrorKind::traversal);
  CHECK_THROWS_AS(add(unpacker, tar::kHardlink, "h", "", "../../outside"), Error);
}

TEST_CASE("files replace files, whole; directories and the rest do not replace each other") {
  const Place place;
  fs::create_directories(place.in("directory"));
  fs::create_symlink(place.outside(), place.in("link"));
  Unpacker unpacker = place.unpacker(false);
  add(unpacker, tar::kFile, "file", "long text");
  add(unpacker, tar::kFile, "file", "short");
  add(unpacker, tar::kFile, "link", "no link any more");
  add(unpacker, tar::kSymlink, "file", "", "/gone");
  CHECK(failure(unpacker, tar::kFile, "directory") == ErrorKind::invalid);
  CHECK(failure(unpacker, tar::kDirectory, "file") == ErrorKind::invalid);
  CHECK(failure(unpacker, tar::kFile, ".") == ErrorKind::invalid);
  CHECK(fs::read_symlink(place.in("file")) == "/gone");
  CHECK(read(place.in("link")) == "no link any more");
  CHECK(fs::is_empty(place.outside()));
  CHECK(fs::directory_iterator(place.in("")) != fs::directory_iterator());
  for (const auto& entry : fs::directory_iterator(place.in(""))) {
    CHECK(entry.path().filename().string().front() != '.');
  }
}

TEST_CASE("a link on the way is followed inside the root, or not at all") {
  const Place place;
  fs::create_directories(place.root("there"));
  fs::create_symlink("/there", place.in("inside"));
  fs::create_symlink(place.outside(), place.in("out"));
  fs::create_symlink("../../outside", place.in("climb"));
  Unpacker follows = place.unpacker(true);
  add(follows, tar::kFile, "inside/new", "x");
  CHECK(read(place.root("there/new")) == "x");
  Unpacker stays = place.unpacker(false);
  for (const char* name : {"inside/y", "out/y", "climb/y"}) {
    CHECK(failure(stays, tar::kFile, name) == ErrorKind::system);
  }
  CHECK(failure(follows, tar::kFile, "out/y") == ErrorKind::system);
  CHECK(failure(follows, tar::kFile, "climb/y") == ErrorKind::system);
  CHECK(fs::is_empty(place.outside()));
}

TEST_CASE("zeros and the holes of sparse members become holes") {
  const Place place;
  Unpacker unpacker = place.unpacker(false);
  add(unpacker, tar::kFile, "zeros", std::string(1 << 20, '\0'));
  tar::Header header;
  header.path = "sparse";
  header.mode = 0600;
  header.size = 1 << 22;
  header.sparse = true;
  header.extents = {{1 << 20, 3}, {1 << 21, 2}};
  header.data_size = 5;
  unpacker.member(std::move(header));
  unpacker.body(as_bytes("ab"));
  unpacker.body(as_bytes("cde"));
  CHECK_THROWS_AS(unpacker.body(as_bytes("f")), Error);
  unpacker.end_member();
  const std::string text = read(place.in("sparse"));
  REQUIRE(text.size() == 1 << 22);
  CHECK(text.substr(1 << 20, 4) == std::string("abc\0", 4));
  CHECK(text.substr(1 << 21, 2) == "de");
  for (const char* name : {"zeros", "sparse"}) {
    const sys::Fd file = sys::open(place.in(name), O_RDONLY);
    CHECK(sys::stat_fd(file.get()).st_blocks * 512 <= 16384);
  }
}

}  // namespace fastlayers::tree
