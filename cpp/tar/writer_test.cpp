#include "tar/writer.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tar/archive_fixture.hpp"
#include "tar/text.hpp"

namespace fastlayers::tar {
namespace {

class TextSink final : public Sink {
 public:
  void write(Bytes bytes) override { text += as_text(bytes); }
  std::string text;
};

std::string write(const std::vector<Member>& members) {
  TextSink sink;
  Writer writer(sink);
  for (const Member& member : members) {
    writer.member(member.header);
    CHECK(writer.offset() == sink.text.size());
    writer.body(as_bytes(member.body));
    writer.end_member();
  }
  writer.finish();
  CHECK(writer.offset() == sink.text.size());
  return sink.text;
}

Member make(char type, std::string path, std::string body_or_target = "") {
  Member member;
  member.header.type = type;
  member.header.path = std::move(path);
  member.header.mode = 0644;
  member.header.mtime_sec = 1'700'000'000;
  if (type == kFile) {
    member.body = std::move(body_or_target);
    member.header.size = member.body.size();
  } else {
    member.header.link_target = std::move(body_or_target);
  }
  return member;
}

std::vector<Member> all_kinds() {
  std::vector<Member> members = {make(kDirectory, "dir/"),
                                 make(kFile, "dir/file", "hello\n"),
                                 make(kHardlink, "dir/hard", "dir/file"),
                                 make(kSymlink, "dir/sym", "../x"),
                                 make(kChar, "null"),
                                 make(kBlock, "disk"),
                                 make(kFifo, "fifo")};
  members[0].header.mode = 01777;
  members[1].header.mode = 04755;
  members[1].header.uid = 1000;
  members[1].header.gid = 2097151;
  members[4].header.dev_major = 1;
  members[4].header.dev_minor = 3;
  members[5].header.dev_major = 259;
  members[5].header.dev_minor = 70'000;
  return members;
}

// Members that need a PAX header, each for a reason of its own.
std::vector<Member> extended() {
  const std::string component(120, 'n');
  std::vector<Member> members = {
      make(kFile, component, "1"),
      make(kDirectory, component + "/" + std::string(160, 'm') + "/"),
      make(kSymlink, "long link", std::string(300, 't')),
      make(kFile, std::string(101, '\xff'), "raw"),
      make(kFile, "ids"),
      make(kFile, "nsec"),
      make(kFile, "before 1970"),
      make(kFile, "far"),
      make(kFile, "xattrs", "x"),
  };
  members[4].header.uid = 2097152;
  members[4].header.gid = 4294967294;
  members[5].header.mtime_nsec = 123'456'700;
  members[6].header.mtime_sec = -2;
  members[6].header.mtime_nsec = 500'000'000;
  members[7].header.mtime_sec = 8'589'934'592;
  members[8].header.xattrs = {{"security.capability", "\x01\0\0\x02\n="s},
                              {"user.z", std::string(97, 'z')}};
  return members;
}

void check_round_trip(const std::vector<Member>& members) {
  const auto back = read(write(members));
  REQUIRE(back.size() == members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    CAPTURE(printable(members[i].header.path));
    Header expected = members[i].header;
    expected.data_offset = back[i].header.data_offset;
    expected.data_size = members[i].body.size();
    CHECK(same(back[i].header, expected));
    CHECK(back[i].body == members[i].body);
  }
}

// What a command prints; nothing when it is not installed.
std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof(buffer), pipe)) {
    output.append(buffer, count);
  }
  const int status = pclose(pipe);
  const bool missing = status == 127 << 8;
  if (missing) MESSAGE("skipped, not installed: " << command);
  if (!missing) CHECK(status == 0);
  return missing ? "" : output;
}

class ArchiveFile {
 public:
  explicit ArchiveFile(const std::string& bytes)
      : path_(std::filesystem::temp_directory_path() /
              ("fastlayers-writer-test-" + std::to_string(std::random_device()()))) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~ArchiveFile() { std::filesystem::remove(path_); }
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST_CASE("what is written is read back, without PAX headers where none are needed") {
  check_round_trip(all_kinds());
  const std::string archive = write(all_kinds());
  CHECK(archive.size() == 7 * 512 + 512 + 1024);
  CHECK(archive.find("PaxHeaders") == std::string::npos);
}

TEST_CASE("what does not fit a ustar header goes through a PAX header and is read back") {
  check_round_trip(extended());
  for (const Member& member : extended()) {
    CHECK(write({member}).find("PaxHeaders") != std::string::npos);
  }
}

TEST_CASE("every length of a path is read back") {
  for (std::size_t length = 1; length < 300; ++length) {
    std::string path(length, 'a');
    for (std::size_t at = 60; at + 1 < length; at += 61) path[at] = '/';
    check_round_trip(
        {make(kFile, path, "x"), make(kDirectory, path + "/"), make(kSymlink, "l", path)});
  }
}

TEST_CASE("a path that can be cut at a slash needs no PAX header") {
  const std::string name(100, 'n');
  CHECK(write({make(kFile, name)}).size() == 512 + 1024);
  CHECK(write({make(kFile, std::string(155, 'p') + "/" + name)}).size() == 512 + 1024);
  CHECK(write({make(kFile, std::string(156, 'p') + "/" + name)}).size() == 3 * 512 + 1024);
  CHECK(write({make(kFile, "p/" + name + "n")}).size() == 3 * 512 + 1024);
}

TEST_CASE("directories end in a slash, link targets of other types are not written") {
  CHECK(read_one(write({make(kDirectory, "d")})).header.path == "d/");
  Member member = make(kFile, "f");
  member.header.link_target = "stray";
  CHECK(write({member}) == write({make(kFile, "f")}));
}

TEST_CASE("the length of a PAX record counts its own digits") {
  for (std::size_t length = 1; length < 1100; ++length) {
    Member member = make(kFile, "f");
    member.header.xattrs = {{"user.x", std::string(length, 'v')}};
    CHECK(read_pieces(write({member}), SIZE_MAX, {})[0].header.xattrs == member.header.xattrs);
  }
}

TEST_CASE("records are sorted, so that equal headers give equal bytes") {
  Member member = make(kFile, "f");
  member.header.mtime_nsec = 1;
  member.header.uid = 3'000'000;
  member.header.xattrs = {{"user.b", "2"}, {"user.a", "1"}};
  const std::string archive = write({member});
  std::swap(member.header.xattrs[0], member.header.xattrs[1]);
  CHECK(write({member}) == archive);
  CHECK(archive.substr(512, 103) ==
        "25 SCHILY.xattr.user.a=1\n25 SCHILY.xattr.user.b=2\n30 mtime=1700000000.000000001\n"
        "15 uid=3000000\n"s +
            std::string(8, '\0'));
}

TEST_CASE("a file of 8 GiB or more has its size in a PAX record") {
  TextSink sink;
  Writer writer(sink);
  Header header = make(kFile, "big").header;
  header.size = std::uint64_t{1} << 33;
  writer.member(header);
  CHECK(sink.text.find(" size=8589934592\n") != std::string::npos);
  CHECK_THROWS_AS(writer.finish(), Error);
  Recorder recorder;
  Reader reader(recorder);
  reader.feed(as_bytes(sink.text));
  CHECK(recorder.members.at(0).header.size == std::uint64_t{1} << 33);
}

TEST_CASE("headers that cannot be written are refused") {
  std::vector<Member> bad(9, make(kFile, "f"));
  bad[0].header.path = "";
  bad[1].header.path = "a\0b"s;
  bad[2].header.type = 'Z';
  bad[3].header.xattrs = {{"a=b", "v"}};
  bad[4].header.mtime_nsec = 1'000'000'000;
  bad[5].header.path = "file/";
  bad[6].header.xattrs = {{"", "v"}};
  bad[7] = make(kSymlink, "l", "a\0b"s);
  bad[8] = make(kChar, "c");
  bad[8].header.dev_minor = 1 << 21;
  for (const Member& member : bad) {
    TextSink sink;
    Writer writer(sink);
    CHECK_THROWS_AS(writer.member(member.header), Error);
    CHECK(sink.text.empty());
  }
}

TEST_CASE("a body that is not as long as its header says is refused") {
  TextSink sink;
  Writer writer(sink);
  CHECK_THROWS_AS(writer.body(as_bytes("x")), Error);
  writer.member(make(kFile, "f", "12").header);
  CHECK_THROWS_AS(writer.body(as_bytes("123")), Error);
  writer.body(as_bytes("1"));
  CHECK_THROWS_AS(writer.end_member(), Error);
  CHECK_THROWS_AS(writer.member(make(kFile, "g").header), Error);
  writer.body(as_bytes("2"));
  CHECK_THROWS_AS(writer.member(make(kFile, "g").header), Error);
  CHECK_THROWS_AS(writer.finish(), Error);
  writer.end_member();
  writer.finish();
  CHECK(read_one(sink.text).body == "12");
}

TEST_CASE("GNU tar lists what was written") {
  const ArchiveFile archive(write(all_kinds()));
  const std::string listing =
      output_of("TZ=UTC LC_ALL=C tar --numeric-owner --full-time -tvf " + archive.path());
  if (listing.empty()) return;
  CHECK(listing ==
        "drwxrwxrwt 0/0               0 2023-11-14 22:13:20 dir/\n"
        "-rwsr-xr-x 1000/2097151      6 2023-11-14 22:13:20 dir/file\n"
        "hrw-r--r-- 0/0               0 2023-11-14 22:13:20 dir/hard link to dir/file\n"
        "lrw-r--r-- 0/0               0 2023-11-14 22:13:20 dir/sym -> ../x\n"
        "crw-r--r-- 0/0             1,3 2023-11-14 22:13:20 null\n"
        "brw-r--r-- 0/0       259,70000 2023-11-14 22:13:20 disk\n"
        "prw-r--r-- 0/0               0 2023-11-14 22:13:20 fifo\n");
}

TEST_CASE("GNU tar lists what has PAX headers") {
  std::vector<Member> members = extended();
  members.erase(members.begin() + 3);  // it warns of hdrcharset, which it does not know
  const ArchiveFile archive(write(members));
  const std::string listing =
      output_of("TZ=UTC LC_ALL=C tar --numeric-owner --full-time --xattrs -tvf " + archive.path());
  if (listing.empty()) return;
  for (const Member& member : members) {
    CHECK(listing.find(" " + member.header.path) != std::string::npos);
  }
  CHECK(listing.find(" -> " + std::string(300, 't')) != std::string::npos);
  CHECK(listing.find("2097152/4294967294") != std::string::npos);
  CHECK(listing.find("2023-11-14 22:13:20.1234567 nsec") != std::string::npos);
  CHECK(listing.find("1969-12-31 23:59:5") != std::string::npos);
  CHECK(listing.find("2242-03-16 12:56:32 ") != std::string::npos);
}

TEST_CASE("Python's tarfile reads what was written") {
  std::vector<Member> members = all_kinds();
  for (Member& member : extended()) members.push_back(std::move(member));
  const ArchiveFile archive(write(members));
  const std::string listing = output_of(
      "python3 -c '\n"
      "import sys, tarfile\n"
      "with tarfile.open(sys.argv[1], \"r:\", encoding=\"utf-8\", errors=\"surrogateescape\") as "
      "t:\n"
      "    for m in t:\n"
      "        n = m.name.encode(\"utf-8\", \"surrogateescape\")\n"
      "        b = t.extractfile(m).read() if m.isreg() else m.linkname.encode()\n"
      "        print(m.type.decode(), n.hex(), m.mode, m.uid, m.gid, m.size, b.hex(), m.mtime)\n"
      "' " +
      archive.path());
  if (listing.empty()) return;
  const auto hex = [](std::string_view text) {
    std::string digits;
    for (const char c : text) {
      char pair[3];
      std::snprintf(pair, sizeof(pair), "%02x", static_cast<unsigned char>(c));
      digits += pair;
    }
    return digits;
  };
  std::string expected;
  for (const auto& [header, body] : members) {
    std::string path = header.path;
    if (path.ends_with('/')) path.pop_back();
    expected += header.type + " "s + hex(path) + " " + std::to_string(header.mode) + " " +
                std::to_string(header.uid) + " " + std::to_string(header.gid) + " " +
                std::to_string(header.size) + " " +
                hex(header.type == kFile ? body : header.link_target) + " ";
    const std::string_view time = header.path == "nsec"          ? "1700000000.1234567"
                                  : header.path == "before 1970" ? "-1.5"
                                  : header.path == "far"         ? "8589934592"
                                                                 : "1700000000";
    expected += std::string(time) + (header.path == "far" ? ".0\n" : "\n");
  }
  CHECK(listing == expected);
}

TEST_CASE("names are quoted on one line") {
  CHECK(printable("plain \xc3\xbc") == "\"plain \xc3\xbc\"");
  CHECK(printable("\xc3\n\\") == "\"\\xc3\\x0a\\\\\"");
  CHECK(printable(std::string(1000, 'x')).size() == 305);
  for (const char* good :
       {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc1\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe0\xa0", "\xc3"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace fastlayers::tar
