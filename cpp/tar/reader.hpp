// Reader: a push parser for tar streams. Feed it the bytes in pieces of any size; it calls the
// visitor for every member. Nothing is buffered but headers.
//
// Understands v7, ustar, GNU (long names and links, old sparse, base-256) and PAX (local and
// global headers, size/path/linkpath/uid/gid/mtime, SCHILY.xattr.*, GNU.sparse 0.0, 0.1, 1.0,
// hdrcharset). PAX records always win over the ustar field and over GNU L/K and belong to the
// next real member (never to an extension header between them). Bytes behind the end-of-archive
// mark are ignored. Malformed input is Error(corrupt) that names the member and the byte offset.
//
// Not thread-safe; the visitor is called on the feeding thread and must outlive the reader.
#pragma once

#include <cstdint>
#include <memory>

#include "base/io.hpp"
#include "tar/header.hpp"

namespace fastlayers::tar {

struct Limits {
  std::uint64_t extension_bytes = 1 << 20;  // one PAX header, long name or sparse map
  std::uint32_t extents = 1 << 16;          // runs of one sparse member
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void member(Header&& header) = 0;
  virtual void body(Bytes bytes) = 0;  // zero or more times, data_size bytes in all
  virtual void end_member() = 0;       // for every member, also those without a body
};

class Reader {
 public:
  explicit Reader(Visitor& visitor, Limits limits = {});
  ~Reader();
  void feed(Bytes bytes);
  // The stream has ended. Throws Error(corrupt) if that is inside a member (a missing
  // end-of-archive mark is accepted, and so is an empty stream).
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fastlayers::tar
