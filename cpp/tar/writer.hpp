// Writer: canonical tar. ustar headers where every field fits, else one PAX header in front
// (path, linkpath, size, uid, gid, mtime with nanoseconds, SCHILY.xattr.*; records sorted by
// key). No user or group names, no atime or ctime, numbers as zero-padded octal, device numbers
// only for devices, directories end in '/'. The same headers give the same bytes.
#pragma once

#include <cstdint>

#include "base/io.hpp"
#include "tar/header.hpp"

namespace fastlayers::tar {

class Writer {
 public:
  explicit Writer(Sink& out) : out_(out) {}

  // Writes the header(s). For a file, header.size bytes must follow through body().
  // Afterwards offset() is where the body begins.
  void member(const Header& header);
  void body(Bytes bytes);
  void end_member();  // pads to 512; throws Error(invalid) if the body was not header.size long
  void finish();      // the two zero blocks

  std::uint64_t offset() const { return offset_; }

 private:
  void write(Bytes bytes);

  Sink& out_;
  std::uint64_t offset_ = 0;
  std::uint64_t body_left_ = 0;
};

}  // namespace fastlayers::tar
