// Test fixtures: archives put together block by block (so that they may be wrong), and a
// visitor that keeps what it is told.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/io.hpp"
#include "tar/block.hpp"
#include "tar/reader.hpp"

namespace fastlayers::tar {

using namespace std::string_literals;

inline const std::string kUstar("ustar\00000", 8);
inline const std::string kGnu("ustar  \0", 8);
inline const std::string kV7(8, '\0');
inline const std::string kEnd(1024, '\0');

// A header block whose fields can be overwritten before it is sealed with its checksum.
class RawHeader {
 public:
  explicit RawHeader(std::string_view name, char type = '0', std::uint64_t size = 0)
      : block_(kBlockBytes, '\0') {
    put(kNameField, name);
    octal(kModeField, 0644).octal(kUidField, 0).octal(kGidField, 0).octal(kSizeField, size);
    octal(kMtimeField, 1'700'000'000).put(kMagicField, kUstar);
    block_[kTypeOffset] = type;
  }
  RawHeader& put(Field field, std::string_view text) {
    block_.replace(field.offset, text.size(), text);
    return *this;
  }
  RawHeader& octal(Field field, std::uint64_t number) {
    char text[32];
    std::snprintf(text, sizeof(text), "%0*llo", static_cast<int>(field.length - 1),
                  static_cast<unsigned long long>(number));
    return put(field, std::string_view(text, field.length));
  }
  std::string seal(int error = 0) {
    char text[32];
    const auto sum = static_cast<int>(checksum(as_bytes(block_).data()));
    std::snprintf(text, sizeof(text), "%06o", static_cast<unsigned>(sum + error));
    return put(kChecksumField, std::string_view(text, 7)).put({155, 1}, " ").block_;
  }

 private:
  std::string block_;
};

inline std::string padded(std::string body) {
  return body + std::string(padding(body.size()), '\0');
}

inline std::string file(std::string_view name, const std::string& body = "") {
  return RawHeader(name, '0', body.size()).seal() + padded(body);
}

inline std::string extension(char type, const std::string& body) {
  return RawHeader("extension", type, body.size()).seal() + padded(body);
}

inline std::string pax(const std::vector<std::pair<std::string, std::string>>& records,
                       char type = 'x') {
  std::string body;
  for (const auto& [key, value] : records) {
    const std::string rest = " " + key + "=" + value + "\n";
    std::size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    body += std::to_string(length) + rest;
  }
  return extension(type, body);
}

struct Member {
  Header header;
  std::string body;
};

// Checks the protocol on the way: member, then bodies of data_size bytes in all, then the end.
class Recorder final : public Visitor {
 public:
  void member(Header&& header) override {
    REQUIRE(!open_);
    open_ = true;
    members.push_back({std::move(header), ""});
  }
  void body(Bytes bytes) override {
    REQUIRE(open_);
    REQUIRE(!bytes.empty());
    members.back().body += as_text(bytes);
  }
  void end_member() override {
    REQUIRE(open_);
    REQUIRE(members.back().body.size() == members.back().header.data_size);
    open_ = false;
  }
  std::vector<Member> members;

 private:
  bool open_ = false;
};

inline std::vector<Member> read_pieces(std::string_view archive, std::size_t piece_bytes,
                                       Limits limits) {
  Recorder recorder;
  Reader reader(recorder, limits);
  for (; !archive.empty(); archive.remove_prefix(std::min(piece_bytes, archive.size()))) {
    reader.feed(as_bytes(archive.substr(0, piece_bytes)));
  }
  reader.finish();
  return std::move(recorder.members);
}

inline bool same(const Header& a, const Header& b) {
  const auto extents_equal =
      std::equal(a.extents.begin(), a.extents.end(), b.extents.begin(), b.extents.end(),
                 [](Extent x, Extent y) {
                   return x.logical_offset == y.logical_offset && x.length == y.length;
                 });
  return extents_equal && a.type == b.type && a.path == b.path && a.link_target == b.link_target &&
         a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.size == b.size &&
         a.mtime_sec == b.mtime_sec && a.mtime_nsec == b.mtime_nsec && a.dev_major == b.dev_major &&
         a.dev_minor == b.dev_minor && a.xattrs == b.xattrs && a.sparse == b.sparse &&
         a.data_offset == b.data_offset && a.data_size == b.data_size;
}

// Reads the archive whole and in small pieces, which must not make a difference.
inline std::vector<Member> read(std::string_view archive, Limits limits = {}) {
  std::vector<Member> whole = read_pieces(archive, SIZE_MAX, limits);
  for (const std::size_t piece_bytes : {1, 100, 511, 512, 513}) {
    const std::vector<Member> pieces = read_pieces(archive, piece_bytes, limits);
    REQUIRE(pieces.size() == whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) {
      CHECK(same(pieces[i].header, whole[i].header));
      CHECK(pieces[i].body == whole[i].body);
    }
  }
  for (const Member& member : whole) {
    CHECK(archive.substr(member.header.data_offset, member.header.data_size) == member.body);
  }
  return whole;
}

inline Member read_one(std::string_view archive, Limits limits = {}) {
  std::vector<Member> members = read(archive, limits);
  REQUIRE(members.size() == 1);
  return std::move(members.front());
}

inline Error error_of(std::string_view archive, Limits limits = {}) {
  for (const std::size_t piece_bytes : {std::size_t{1}, SIZE_MAX}) {
    try {
      read_pieces(archive, piece_bytes, limits);
    } catch (const Error& error) {
      if (piece_bytes == SIZE_MAX) return error;
      continue;
    }
    break;
  }
  FAIL("no error was thrown");
  return Error(ErrorKind::invalid, "");
}

inline bool is_corrupt(std::string_view archive, Limits limits = {}) {
  return error_of(archive, limits).kind() == ErrorKind::corrupt;
}

inline bool is_unsupported(std::string_view archive) {
  return error_of(archive).kind() == ErrorKind::unsupported;
}

}  // namespace fastlayers::tar
