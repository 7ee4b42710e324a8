// Source and Sink: the two ends of every byte stream of the core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace fastlayers {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Pulled by its consumer. read() fills at most buffer.size() bytes and returns how many;
// 0 means the end, and only the end. Throws Error.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::size_t read(MutableBytes buffer) = 0;
};

// Pushed to by its producer. write() takes all bytes or throws Error.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Bytes bytes) = 0;
};

}  // namespace fastlayers
