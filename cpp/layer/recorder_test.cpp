#include "layer/recorder.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace fastlayers::layer {
namespace {

ErrorKind kind_of_refusal(std::string_view path) {
  try {
    normalise(path);
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::system;
}

tar::Header member(char type, const std::string& path, const std::string& link = "") {
  tar::Header header;
  header.type = type;
  header.path = path;
  header.link_target = link;
  return header;
}

std::optional<ErrorKind> refusal(const tar::Header& header) {
  Recorder recorder("/tmp");
  try {
    recorder.member(tar::Header(header));
    recorder.end_member();
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

TEST_CASE("names are normalised inside the root") {
  CHECK(normalise("./a//b/./c/") == "a/b/c");
  CHECK(normalise("/etc/passwd") == "etc/passwd");
  CHECK(normalise("a/../b") == "b");
  CHECK(normalise("a/..") == "");
  CHECK(normalise("..a/...") == "..a/...");
  CHECK(kind_of_refusal("..") == ErrorKind::traversal);
  CHECK(kind_of_refusal("a/../../b") == ErrorKind::traversal);
  CHECK(kind_of_refusal(std::string(256, 'x')) == ErrorKind::unsupported);
  CHECK(kind_of_refusal(std::string(kMaxPathBytes + 1, '/')) == ErrorKind::limit);
}

TEST_CASE("the number of entries is bounded") {
  Recorder recorder("/tmp", 2);
  for (const char* name : {"a", ".wh.b"}) {
    recorder.member(member(tar::kFile, name));
    recorder.end_member();
  }
  CHECK_THROWS_WITH_AS(recorder.member(member(tar::kFile, "c")),
                       "entry \"c\": the layer has more than 2 entries", Error);
}

TEST_CASE("the longest name can be deleted") {
  const std::string name(255, 'n');
  CHECK(!refusal(member(tar::kFile, "d/.wh." + name)));
  CHECK(refusal(member(tar::kFile, "d/.wh." + name + "n")) == ErrorKind::unsupported);
  CHECK(refusal(member(tar::kFile, ".wh..wh." + name)) == ErrorKind::unsupported);
  CHECK(refusal(member(tar::kFile, "d/" + name + "n")) == ErrorKind::unsupported);
}

TEST_CASE("what sparse files expand to is bounded") {
  tar::Header header = member(tar::kFile, "f");
  header.sparse = true;
  header.size = std::uint64_t{257} << 30;
  header.extents = {{header.size, 0}};
  CHECK(refusal(header) == ErrorKind::limit);
}

TEST_CASE("the root of a layer can only be a directory") {
  CHECK_FALSE(refusal(member(tar::kDirectory, "./")));
  CHECK(refusal(member(tar::kSymlink, ".", "/tmp")) == ErrorKind::traversal);
  CHECK(refusal(member(tar::kFile, ".")) == ErrorKind::corrupt);
  CHECK(refusal(member(tar::kFile, "")) == ErrorKind::corrupt);
}

TEST_CASE("whiteouts become kinds, and those of no name are refused") {
  Recorder recorder("/tmp");
  for (const char* path : {"a/.wh.b", "a/.wh..wh..opq", "a/.wh..wh..opqX", "a/.wh...."}) {
    recorder.member(member(tar::kFile, path));
    recorder.end_member();
  }
  const table::Table table = recorder.finish({}, 0);
  CHECK(table[0].kind == table::Kind::whiteout);
  CHECK(table.path(table[0]) == "a/b");
  CHECK(table[1].kind == table::Kind::opaque);
  CHECK(table.path(table[1]) == "a");
  CHECK(table[2].kind == table::Kind::whiteout);
  CHECK(table.path(table[3]) == "a/...");
  for (const char* path : {".wh.", "etc/.wh..", ".wh...", ".wh.d/x"}) {
    CHECK(refusal(member(tar::kFile, path)) == ErrorKind::corrupt);
  }
}

TEST_CASE("control attributes of unions are dropped") {
  Recorder recorder("/tmp");
  tar::Header header = member(tar::kFile, "a");
  header.xattrs = {{"trusted.overlay.opaque", "y"}, {"user.overlay.origin", ""}, {"user.x", "1"}};
  recorder.member(std::move(header));
  recorder.end_member();
  const table::Table table = recorder.finish({}, 0);
  CHECK(table.xattrs(table[0]) == table::Xattrs{{"user.x", "1"}});
}

}  // namespace
}  // namespace fastlayers::layer
