#include "tar/reader.hpp"

#include <doctest/doctest.h>

#include "tar/archive_fixture.hpp"

namespace fastlayers::tar {
namespace {

TEST_CASE("members come with their bodies and where those lie") {
  const std::string big(5000, 'b');
  const auto members = read(file("one", "1") + file("empty") + file("big", big) + kEnd);
  REQUIRE(members.size() == 3);
  CHECK(members[0].header.path == "one");
  CHECK(members[0].header.type == kFile);
  CHECK(members[0].header.mode == 0644);
  CHECK(members[0].header.mtime_sec == 1'700'000'000);
  CHECK(members[0].header.size == 1);
  CHECK(members[0].header.data_offset == 512);
  CHECK(members[0].body == "1");
  CHECK(members[1].header.data_size == 0);
  CHECK(members[2].body == big);
}

TEST_CASE("the end: two zero blocks, one, half of one, or none; what follows is ignored") {
  const std::string archive = file("a", "a");
  for (const std::string& tail :
       {kEnd, kEnd.substr(512), kEnd.substr(0, 700), std::string(),
        kEnd + std::string(10'240, '\0'), kEnd + "garbage", kEnd + file("hidden")}) {
    CHECK(read_one(archive + tail).body == "a");
  }
  CHECK(read("").empty());
  CHECK(read(kEnd).empty());
  CHECK(is_corrupt(archive + kEnd.substr(512) + file("behind one zero block")));
}

TEST_CASE("every cut inside a member is corrupt, but for the padding behind a whole body") {
  const std::string archive = pax({{"path", "long"}}) + file("a", std::string(600, 'a')) +
                              extension('L', "name") + file("b");
  const std::vector<std::size_t> ends = {0, 1024 + 512 + 1024, archive.size()};
  const std::size_t body_end = 1024 + 512 + 600;
  const std::size_t padding_end = 1024 + 512 + 1024;
  for (std::size_t length = 0; length <= archive.size(); length += length % 512 == 0 ? 1 : 73) {
    CAPTURE(length);
    const std::string cut = archive.substr(0, std::min(length, archive.size()));
    const bool in_padding = length >= body_end && length <= padding_end;
    if (in_padding || std::find(ends.begin(), ends.end(), length) != ends.end()) {
      CHECK_NOTHROW(read(cut));
    } else {
      CHECK(is_corrupt(cut));
    }
  }
  CHECK(is_corrupt(pax({{"path", "nobody"}}) + kEnd));
  CHECK(is_corrupt(pax({{"path", "nobody"}})));
  CHECK_NOTHROW(read(archive));
}

TEST_CASE("garbage where a header should be is corrupt, and the message says where") {
  CHECK(is_corrupt(std::string(512, 'x')));
  CHECK(is_corrupt("short"));
  const Error error = error_of(file("a", "a") + std::string(512, 'x'));
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK(std::string(error.what()).find("byte 1024") != std::string::npos);
  CHECK(is_corrupt(RawHeader("a").seal(1)));
  CHECK(is_corrupt(RawHeader("a").seal(-1)));
}

TEST_CASE("the message names the member, on one line, whatever its name is made of") {
  const Error error = error_of(RawHeader("bad\n\xff\"name", 'Z').seal());
  CHECK(error.kind() == ErrorKind::unsupported);
  CHECK(std::string(error.what()) ==
        R"(tar member "bad\x0a\xff\"name" at byte 0: members of type "Z" are not supported)");
}

TEST_CASE("signed and unsigned checksums are accepted") {
  CHECK(read_one(RawHeader("n\xc3\xbc").seal()).header.path == "n\xc3\xbc");
  CHECK(read_one(RawHeader("n\xc3\xbc").seal(-512)).header.path == "n\xc3\xbc");
  CHECK(is_corrupt(RawHeader("n\xc3\xbc").seal(-256)));
  CHECK(is_corrupt(RawHeader("plain").seal(-256)));
}

TEST_CASE("types") {
  const auto type_of = [](char type) { return read_one(RawHeader("a", type).seal()).header.type; };
  for (const char type : {'0', '1', '2', '3', '4', '5', '6'}) CHECK(type_of(type) == type);
  CHECK(type_of('\0') == kFile);
  CHECK(type_of('7') == kFile);
  for (const char type : {'8', 'A', 'D', 'M', 'N', 'X', 'Z', '\x7f'}) {
    CHECK(is_unsupported(RawHeader("a", type).seal()));
  }
}

TEST_CASE("a volume header is skipped with its body, and takes nothing from the member behind") {
  const std::string volume = RawHeader("label", 'V', 600).seal() + padded(std::string(600, 'v'));
  CHECK(read_one(pax({{"path", "p"}}) + volume + file("a", "a")).header.path == "p");
  CHECK(read_one(volume + kEnd.substr(0, 0) + file("a")).header.path == "a");
}

TEST_CASE("links, devices and directories have no body, whatever their size field says") {
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    const auto members =
        read(RawHeader("link", type, 3000).put(kLinkField, "target").seal() + file("next", "n"));
    REQUIRE(members.size() == 2);
    CHECK(members[0].header.size == 0);
    CHECK(members[0].header.link_target == (type == '1' || type == '2' ? "target" : ""));
    CHECK(members[1].body == "n");
  }
}

TEST_CASE("a regular file whose name ends in a slash is a directory, and must be empty") {
  for (const char type : {'\0', '0', '7'}) {
    CHECK(read_one(RawHeader("dir/", type).seal()).header.type == kDirectory);
    CHECK(is_corrupt(RawHeader("dir/", type, 3).seal() + padded("abc")));
  }
}

TEST_CASE("the prefix belongs to POSIX archives only") {
  const auto path_of = [](const std::string& magic) {
    return read_one(RawHeader("name").put(kMagicField, magic).put(kPrefixField, "pre/fix").seal())
        .header.path;
  };
  CHECK(path_of(kUstar) == "pre/fix/name");
  CHECK(path_of("ustar\0\0\0"s) == "pre/fix/name");
  CHECK(path_of(kGnu) == "name");
  CHECK(path_of(kV7) == "name");
  const std::string full_name(100, 'n');
  const std::string full_prefix(155, 'p');
  CHECK(read_one(RawHeader(full_name).put(kPrefixField, full_prefix).seal()).header.path ==
        full_prefix + "/" + full_name);
  // star: the prefix is shorter, times follow, and "tar" ends the block.
  CHECK(read_one(RawHeader("name")
                     .put(kPrefixField, std::string(131, 'p') + "00000000001 00000000002 ")
                     .put(kStarMagicField, "tar\0"s)
                     .seal())
            .header.path == std::string(131, 'p') + "/name");
}

TEST_CASE("spellings of octal numbers") {
  const auto mode_of = [](const std::string& text) {
    return read_one(RawHeader("a").put(kModeField, text).seal()).header.mode;
  };
  CHECK(mode_of("0000755\0"s) == 0755);
  CHECK(mode_of("00000755") == 0755);
  CHECK(mode_of("   755 \0"s) == 0755);
  CHECK(mode_of("755\0junk"s) == 0755);
  CHECK(mode_of("\0\0\0\0\0\0\0\0"s) == 0);
  CHECK(mode_of("        ") == 0);
  CHECK(mode_of("0100644\0"s) == 0644);
  CHECK(mode_of("0047777\0"s) == 07777);
  for (const std::string& bad :
       {"0000789\0"s, "75x     "s, "7 7     "s, "-000755\0"s, "0x1ff\0\0\0"s}) {
    CAPTURE(bad);
    CHECK(is_corrupt(RawHeader("a").put(kModeField, bad).seal()));
    CHECK(is_corrupt(RawHeader("a").put(kUidField, bad).seal()));
    CHECK(is_corrupt(RawHeader("a").put(kSizeField, bad).seal()));
  }
}

TEST_CASE("base-256 numbers") {
  const auto header =
      read_one(RawHeader("a")
                   .put(kUidField, "\x80\0\0\0\xff\xff\xff\xfe"s)
                   .put(kGidField, "\x80\0\0\0\0\x20\0\0"s)
                   .put(kMtimeField, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"s)
                   .seal())
          .header;
  CHECK(header.uid == 4294967294);
  CHECK(header.gid == 2097152);
  CHECK(header.mtime_sec == -2);
  CHECK(is_unsupported(RawHeader("a").put(kUidField, "\x80\0\0\0\xff\xff\xff\xff"s).seal()));
  CHECK(is_corrupt(RawHeader("a").put(kUidField, "\xff\xff\xff\xff\xff\xff\xff\xff"s).seal()));
  CHECK(is_corrupt(RawHeader("a").put(kUidField, "\x81\0\0\0\0\0\0\0"s).seal()));
  const std::string five = RawHeader("a").put(kSizeField, "\x80\0\0\0\0\0\0\0\0\0\0\x05"s).seal();
  CHECK(read_one(five + padded("12345")).body == "12345");
}

TEST_CASE("sizes that no archive has are refused at once") {
  for (const std::string& size :
       {"\x80\0\0\0\x80\0\0\0\0\0\0\0"s, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"s,
        "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xfe\0"s, "\x80\0\0\0\x40\0\0\0\0\0\0\0"s,
        "\x80\x01\0\0\0\0\0\0\0\0\0\0"s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s,
        "\xff\0\0\0\0\0\0\0\0\0\0\0"s}) {
    for (const char type : {'0', 'V', 'x', 'L', 'S'}) {
      Recorder recorder;
      Reader reader(recorder);
      const std::string block =
          RawHeader("a", type).put(kSizeField, size).put(kMagicField, kGnu).seal();
      CHECK_THROWS_AS(reader.feed(as_bytes(block)), Error);
      CHECK(is_corrupt(block + kEnd));
    }
  }
}

TEST_CASE("device numbers") {
  const auto header =
      read_one(RawHeader("null", '3').octal(kDevMajorField, 1).octal(kDevMinorField, 3).seal())
          .header;
  CHECK(header.dev_major == 1);
  CHECK(header.dev_minor == 3);
  CHECK(is_corrupt(RawHeader("d", '4').put(kDevMajorField, "\x80\0\0\x01\0\0\0\0"s).seal()));
  // Of a file the fields mean nothing, not even when they are malformed.
  const auto plain = read_one(RawHeader("f").put(kDevMajorField, "garbage!").seal()).header;
  CHECK(plain.dev_major == 0);
}

TEST_CASE("GNU long names and link targets") {
  const std::string name(300, 'n');
  const std::string target(400, 't');
  const std::string archive = extension('K', target + '\0') + extension('L', name + '\0') +
                              RawHeader("short", '2').put(kMagicField, kGnu).seal() +
                              RawHeader("next", '2').put(kLinkField, "there").seal();
  const auto members = read(archive);
  REQUIRE(members.size() == 2);
  CHECK(members[0].header.path == name);
  CHECK(members[0].header.link_target == target);
  CHECK(members[1].header.path == "next");
  CHECK(members[1].header.link_target == "there");
  CHECK(read_one(extension('L', "no NUL") + file("a")).header.path == "no NUL");
  CHECK(read_one(extension('L', "cut\0here"s) + file("a")).header.path == "cut");
}

TEST_CASE("a limit on extension headers holds before they are read") {
  Limits limits;
  limits.extension_bytes = 1000;
  const std::string name(1000, 'n');
  CHECK(read_one(extension('L', name) + file("a"), limits).header.path == name);
  for (const char type : {'L', 'K', 'x', 'g'}) {
    CHECK(is_corrupt(RawHeader("e", type, 1001).seal(), limits));
  }
}

TEST_CASE("errors of the visitor pass unchanged") {
  struct Refuser final : Visitor {
    void member(Header&&) override { throw Error(ErrorKind::traversal, "mine"); }
    void body(Bytes) override {}
    void end_member() override {}
  } refuser;
  Reader reader(refuser);
  const std::string archive = file("a");
  CHECK_THROWS_WITH_AS(reader.feed(as_bytes(archive)), "mine", Error);
}

}  // namespace
}  // namespace fastlayers::tar
