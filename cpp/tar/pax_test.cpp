#include "tar/pax.hpp"

#include <doctest/doctest.h>

#include "tar/archive_fixture.hpp"

namespace fastlayers::tar {
namespace {

using Xattr = std::pair<std::string, std::string>;

TEST_CASE("records win over the fields, and hold for one member only") {
  const std::string path = std::string(300, 'p') + "\xff";
  const auto members = read(pax({{"path", path},
                                 {"linkpath", "over there"},
                                 {"uid", "4294967294"},
                                 {"gid", "3000000"},
                                 {"mtime", "1234567890.5"},
                                 {"uname", "root"},
                                 {"hdrcharset", "BINARY"},
                                 {"VENDOR.key", "any\nthing"}}) +
                            RawHeader("short", '2').put(kLinkField, "here").seal() + file("next"));
  REQUIRE(members.size() == 2);
  CHECK(members[0].header.path == path);
  CHECK(members[0].header.link_target == "over there");
  CHECK(members[0].header.uid == 4294967294);
  CHECK(members[0].header.gid == 3000000);
  CHECK(members[0].header.mtime_sec == 1234567890);
  CHECK(members[0].header.mtime_nsec == 500'000'000);
  CHECK(members[1].header.path == "next");
  CHECK(members[1].header.uid == 0);
  CHECK(members[1].header.mtime_nsec == 0);
}

TEST_CASE("a size record wins: an archive inside a body is never read as members") {
  const std::string inner = file("smuggled", "x") + kEnd;
  const std::string size = std::to_string(inner.size());
  CHECK(read_one(pax({{"size", size}}) + RawHeader("outer").seal() + inner + kEnd).body == inner);
  // Nor is it applied to the GNU long name between it and its member.
  const auto member = read_one(pax({{"size", size}}) + extension('L', std::string(700, 'n')) +
                               RawHeader("outer").seal() + inner + kEnd);
  CHECK(member.body == inner);
  CHECK(member.header.path == std::string(700, 'n'));
}

TEST_CASE("a path record wins over a GNU long name, in either order") {
  CHECK(read_one(pax({{"path", "pax"}}) + extension('L', "gnu") + file("a")).header.path == "pax");
  CHECK(read_one(extension('L', "gnu") + pax({{"path", "pax"}}) + file("a")).header.path == "pax");
  CHECK(read_one(extension('L', "gnu") + pax({{"mtime", "1"}}) + file("a")).header.path == "gnu");
}

TEST_CASE("the last of two equal keys wins, and an empty value deletes") {
  CHECK(read_one(pax({{"path", "a"}, {"path", "b"}}) + file("f")).header.path == "b");
  CHECK(read_one(pax({{"path", "a"}, {"path", ""}}) + file("f")).header.path == "f");
  CHECK(read_one(pax({{"size", ""}, {"uid", ""}, {"mtime", ""}}) + file("f", "abc")).body == "abc");
  const auto xattrs = read_one(pax({{"SCHILY.xattr.user.b", "1"},
                                    {"SCHILY.xattr.user.a", "old"},
                                    {"SCHILY.xattr.user.gone", "1"},
                                    {"SCHILY.xattr.user.a", "new"},
                                    {"SCHILY.xattr.user.gone", ""}}) +
                               file("f"))
                          .header.xattrs;
  CHECK(xattrs == std::vector<Xattr>{{"user.a", "new"}, {"user.b", "1"}});
}

TEST_CASE("of two headers in a row for one member the later one counts") {
  const auto header =
      read_one(pax({{"path", "a"}, {"uid", "7"}}) + pax({{"path", "b"}}) + file("f")).header;
  CHECK(header.path == "b");
  CHECK(header.uid == 0);
}

TEST_CASE("xattr values are any bytes") {
  const std::string value = "\0\n=\xff 12 path=x\n"s;
  const auto header = read_one(pax({{"SCHILY.xattr.user.bin", value}}) + file("f")).header;
  CHECK(header.xattrs == std::vector<Xattr>{{"user.bin", value}});
}

TEST_CASE("times") {
  const auto time_of = [](const std::string& text) {
    const Header header = read_one(pax({{"mtime", text}}) + file("f")).header;
    return std::pair(header.mtime_sec, header.mtime_nsec);
  };
  using Time = std::pair<std::int64_t, std::uint32_t>;
  CHECK(time_of("0") == Time(0, 0));
  CHECK(time_of("1.") == Time(1, 0));
  CHECK(time_of("1.000000001") == Time(1, 1));
  CHECK(time_of("1.9999999999999") == Time(1, 999'999'999));
  CHECK(time_of("-1") == Time(-1, 0));
  CHECK(time_of("-1.25") == Time(-2, 750'000'000));
  CHECK(time_of("-0.5") == Time(-1, 500'000'000));
  CHECK(time_of("-0.0000000001") == Time(0, 0));
  CHECK(time_of("99999999999") == Time(99'999'999'999, 0));
  for (const char* bad :
       {"x", "1.x", "--1", "+1", "1e5", " 1", ".5", "-", "1.2.3", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK(is_corrupt(pax({{"mtime", bad}}) + file("f")));
  }
}

TEST_CASE("malformed records are corrupt") {
  for (const std::string& body :
       {"5 a=b\n"s, "7 a=b\n"s, "99 a=b\n"s, "99999999999999999999999 a=b\n"s, "6 a=b "s, "a=b\n"s,
        "-6 a=b\n"s, "5 ab\n"s, "4 =\n"s, "5 =b\n"s, "0 a=b\n"s, " 6 a=b\n"s, "6 a=b\n\0\0"s,
        "2\n"s, "3 \n"s, "7 a\0=b\n"s, "6"s}) {
    CAPTURE(body);
    CHECK(is_corrupt(extension('x', body) + file("f")));
    CHECK(is_corrupt(extension('g', body) + file("f")));
  }
  for (const Xattr& record :
       {Xattr{"path", "a\0b"s}, Xattr{"linkpath", "\0"s}, Xattr{"size", "-1"}, Xattr{"size", "12x"},
        Xattr{"size", "99999999999999999999"}, Xattr{"size", "9223372036854775807"},
        Xattr{"uid", "-1"}, Xattr{"gid", "root"}, Xattr{"SCHILY.xattr.", "v"}}) {
    CAPTURE(record.first);
    CHECK(is_corrupt(pax({record}) + file("f")));
  }
  CHECK(is_unsupported(pax({{"uid", "4294967295"}}) + file("f")));
}

TEST_CASE("global records hold for all members behind, local ones win or delete them") {
  const auto members = read(pax({{"comment", "x"},
                                 {"uid", "5"},
                                 {"mtime", "9"},
                                 {"SCHILY.xattr.user.g", "g"},
                                 {"SCHILY.xattr.user.h", "h"}},
                                'g') +
                            file("a") +
                            pax({{"uid", ""},
                                 {"mtime", "7"},
                                 {"SCHILY.xattr.user.g", ""},
                                 {"SCHILY.xattr.user.h", "local"}}) +
                            file("b") + pax({{"uid", ""}}, 'g') + file("c"));
  REQUIRE(members.size() == 3);
  CHECK(members[0].header.uid == 5);
  CHECK(members[0].header.mtime_sec == 9);
  CHECK(members[0].header.xattrs == std::vector<Xattr>{{"user.g", "g"}, {"user.h", "h"}});
  CHECK(members[1].header.uid == 0);
  CHECK(members[1].header.mtime_sec == 7);
  CHECK(members[1].header.xattrs == std::vector<Xattr>{{"user.h", "local"}});
  CHECK(members[2].header.uid == 0);
  CHECK(members[2].header.mtime_sec == 9);
}

TEST_CASE("a global header cannot name or frame members, nor multiply large attributes") {
  for (const char* key : {"path", "linkpath", "size", "GNU.sparse.map", "GNU.sparse.offset"}) {
    CHECK(is_unsupported(pax({{key, "1"}}, 'g') + file("a")));
  }
  const std::string half(2100, 'v');
  const std::string first = pax({{"SCHILY.xattr.user.a", half}}, 'g');
  CHECK_NOTHROW(read(first + first + file("a")));
  CHECK(error_of(first + pax({{"SCHILY.xattr.user.b", half}}, 'g') + file("a")).kind() ==
        ErrorKind::limit);
}

}  // namespace
}  // namespace fastlayers::tar
