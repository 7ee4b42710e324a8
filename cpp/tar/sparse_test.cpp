#include "tar/sparse.hpp"

#include <doctest/doctest.h>

#include "tar/archive_fixture.hpp"

namespace fastlayers::tar {
namespace {

using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

Runs runs_of(const Header& header) {
  Runs runs;
  for (const Extent& extent : header.extents)
    runs.emplace_back(extent.logical_offset, extent.length);
  return runs;
}

std::string octal12(std::uint64_t number) {
  char text[16];
  std::snprintf(text, sizeof(text), "%011llo", static_cast<unsigned long long>(number));
  return std::string(text, 12);
}

std::string entries(const Runs& runs) {
  std::string text;
  for (const auto& [offset, length] : runs) text += octal12(offset) + octal12(length);
  return text;
}

// An old GNU sparse member; runs beyond the fourth go to extension blocks.
std::string old_gnu(std::uint64_t real_size, const Runs& runs, const std::string& body) {
  const std::size_t in_header = std::min<std::size_t>(runs.size(), 4);
  RawHeader header("sparse", 'S', body.size());
  header.put(kMagicField, kGnu).put(kSparseSizeField, octal12(real_size));
  header.put(kSparseEntries, entries({runs.begin(), runs.begin() + static_cast<long>(in_header)}));
  if (runs.size() > in_header) header.put({kSparseMoreOffset, 1}, "\x01");
  std::string archive = header.seal();
  for (std::size_t at = in_header; at < runs.size(); at += 21) {
    const std::size_t end = std::min(runs.size(), at + 21);
    std::string block =
        entries({runs.begin() + static_cast<long>(at), runs.begin() + static_cast<long>(end)});
    block.resize(kBlockBytes, '\0');
    if (end < runs.size()) block[kSparseExtensionMoreOffset] = 1;
    archive += block;
  }
  return archive + padded(body);
}

std::string sparse_1_0(const std::string& map, const std::string& body, const std::string& size) {
  const std::string whole = padded(map) + body;
  return pax({{"GNU.sparse.major", "1"},
              {"GNU.sparse.minor", "0"},
              {"GNU.sparse.name", "real/name"},
              {"GNU.sparse.realsize", size}}) +
         RawHeader("GNUSparseFile.1/name", '0', whole.size()).seal() + padded(whole);
}

std::string sparse_0_1(const std::string& map, const std::string& body, const std::string& size) {
  return pax({{"GNU.sparse.size", size},
              {"GNU.sparse.numblocks", "2"},
              {"GNU.sparse.map", map},
              {"GNU.sparse.name", "real/name"}}) +
         file("GNUSparseFile.1/name", body);
}

TEST_CASE("old GNU sparse, with the map in the header") {
  const auto members = read(old_gnu(100, {{10, 3}, {50, 2}, {100, 0}}, "abcde") + file("next"));
  REQUIRE(members.size() == 2);
  CHECK(members[0].header.type == kFile);
  CHECK(members[0].header.sparse);
  CHECK(members[0].header.size == 100);
  CHECK(members[0].header.data_size == 5);
  CHECK(runs_of(members[0].header) == Runs{{10, 3}, {50, 2}});
  CHECK(members[0].body == "abcde");
  CHECK_FALSE(members[1].header.sparse);
  CHECK(members[1].header.extents.empty());
}

TEST_CASE("old GNU sparse, with extension blocks") {
  Runs runs;
  std::string body;
  for (std::uint64_t i = 0; i < 60; ++i) {
    runs.emplace_back(i * 1000, 1);
    body += static_cast<char>('A' + i);
  }
  const auto members = read(old_gnu(100'000, runs, body) + file("next"));
  REQUIRE(members.size() == 2);
  CHECK(runs_of(members[0].header) == runs);
  CHECK(members[0].body == body);
  CHECK(members[0].header.data_offset == 512 * 4);
  Limits limits;
  limits.extents = 59;
  CHECK(is_corrupt(old_gnu(100'000, runs, body), limits));
  CHECK(is_corrupt(old_gnu(100'000, runs, body).substr(0, 1024)));
}

TEST_CASE("PAX 0.0: pairs of records") {
  const std::string archive = pax({{"GNU.sparse.size", "100"},
                                   {"GNU.sparse.numblocks", "2"},
                                   {"GNU.sparse.offset", "10"},
                                   {"GNU.sparse.numbytes", "3"},
                                   {"GNU.sparse.offset", "50"},
                                   {"GNU.sparse.numbytes", "2"}}) +
                              file("name", "abcde");
  const auto member = read_one(archive);
  CHECK(member.header.path == "name");
  CHECK(member.header.size == 100);
  CHECK(runs_of(member.header) == Runs{{10, 3}, {50, 2}});
  CHECK(is_corrupt(pax({{"GNU.sparse.size", "9"}, {"GNU.sparse.offset", "1"}}) + file("f")));
  CHECK(is_corrupt(pax({{"GNU.sparse.size", "9"}, {"GNU.sparse.numbytes", "1"}}) + file("f")));
  CHECK(is_corrupt(pax({{"GNU.sparse.offset", "1"}, {"GNU.sparse.offset", "1"}}) + file("f")));
  CHECK(
      is_corrupt(pax({{"GNU.sparse.offset", "0"}, {"GNU.sparse.numbytes", "1"}}) + file("f", "x")));
  Limits limits;
  limits.extents = 1;
  CHECK(is_corrupt(archive, limits));
}

TEST_CASE("PAX 0.1: one list") {
  const auto member = read_one(sparse_0_1("10,3,50,2,100,0", "abcde", "100"));
  CHECK(member.header.path == "real/name");
  CHECK(member.header.size == 100);
  CHECK(runs_of(member.header) == Runs{{10, 3}, {50, 2}});
  for (const char* map : {"10", "10,", "10,3,", ",10,5", "10,,5", "10,5,", "a,5", "10;5", "10,-5",
                          " 10,5", "10,99999999999999999999"}) {
    CAPTURE(map);
    CHECK(is_corrupt(sparse_0_1(map, "abcde", "100")));
  }
}

TEST_CASE("a file that is one hole") {
  CHECK(read_one(sparse_0_1("100,0", "", "100")).header.size == 100);
  CHECK(read_one(sparse_1_0("0\n", "", "100")).header.size == 100);
  CHECK(read_one(pax({{"GNU.sparse.size", "100"}}) + file("f")).header.size == 100);
  CHECK(read_one(old_gnu(100, {}, "")).header.size == 100);
}

TEST_CASE("PAX 1.0: the map in front of the data") {
  const auto members = read(sparse_1_0("3\n10\n3\n50\n2\n100\n0\n", "abcde", "100") + file("next"));
  REQUIRE(members.size() == 2);
  CHECK(members[0].header.path == "real/name");
  CHECK(members[0].header.size == 100);
  CHECK(runs_of(members[0].header) == Runs{{10, 3}, {50, 2}});
  CHECK(members[0].body == "abcde");
  CHECK(members[0].header.data_offset == 1024 + 512 + 512);

  // A map of several blocks, with numbers that cross their borders.
  std::string map = "200\n";
  std::string body;
  for (int i = 0; i < 200; ++i) {
    map += std::to_string(1'000'000 + i * 1000) + "\n1\n";
    body += static_cast<char>(i);
  }
  CHECK(read_one(sparse_1_0(map, body, "9000000")).body == body);
  Limits limits;
  limits.extents = 199;
  CHECK(is_corrupt(sparse_1_0(map, body, "9000000"), limits));
}

TEST_CASE("PAX 1.0: a damaged map is corrupt") {
  for (const char* map : {"", "x\n", "1\n", "1\n10\n", "\n", "1\n\n5\n", "1\n-10\n5\n",
                          "1 \n10\n5\n", "99999999999999999999\n", "4294967296\n", "70000\n"}) {
    CAPTURE(map);
    CHECK(is_corrupt(sparse_1_0(map, "abcde", "100")));
  }
  CHECK(is_corrupt(pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}}) + file("f", "1\n")));
  CHECK(
      is_unsupported(pax({{"GNU.sparse.major", "2"}, {"GNU.sparse.size", "1"}}) + file("f", "x")));
}

TEST_CASE("maps must ascend inside the file and account for every byte") {
  CHECK_NOTHROW(read(sparse_0_1("0,5", "abcde", "5")));
  CHECK_NOTHROW(read(sparse_0_1("0,2,2,3", "abcde", "5")));
  for (const char* map : {"0,4", "0,6", "0,3,2,2", "50,2,10,3", "96,5", "200,5",
                          "18446744073709551615,5", "5,18446744073709551615", "0,5,101,0"}) {
    CAPTURE(map);
    CHECK(is_corrupt(sparse_0_1(map, "abcde", "100")));
  }
  CHECK(is_corrupt(sparse_0_1("0,5", "abcde", "9223372036854775808")));
  CHECK(is_corrupt(old_gnu(4, {{0, 5}}, "abcde")));
}

TEST_CASE("sparse records and types that contradict each other are corrupt") {
  CHECK(is_corrupt(RawHeader("s", 'S').put(kMagicField, kUstar).seal()));
  CHECK(is_corrupt(pax({{"GNU.sparse.size", "5"}}) + old_gnu(5, {{0, 5}}, "abcde")));
}

}  // namespace
}  // namespace fastlayers::tar
