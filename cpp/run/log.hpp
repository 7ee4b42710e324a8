// Log: what a container has written, as it was written, and beside it when and where to.
//
//   <directory>/log        the bytes, of both streams
//   <directory>/log.index  a record of 16 bytes for each piece of them, little-endian: u64
//                          nanoseconds since 1970, u64 where in the log it begins, with the
//                          highest bit set if it was written to standard error
//
// The bytes come first, so the index never tells of what is not there; what it does not tell of
// belongs to the piece before.
#pragma once

#include <cstdint>
#include <string>

#include "base/io.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

enum class LogStream { output, error };

class Log {
 public:
  Log() = default;  // none: what is written to it is gone
  explicit Log(const std::string& directory);
  explicit operator bool() const { return static_cast<bool>(bytes_); }
  // Throws Error, and is none from then on.
  void write(LogStream stream, Bytes bytes);

 private:
  sys::Fd bytes_;
  sys::Fd index_;
  std::uint64_t size_ = 0;
};

}  // namespace fastlayers::run
