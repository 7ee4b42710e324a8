// Test fixtures: streams in memory, read and written in pieces of a chosen size.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/io.hpp"

namespace fastlayers::codec {

class TextSource final : public Source {
 public:
  explicit TextSource(std::string_view text, std::size_t piece_bytes = SIZE_MAX)
      : left_(text), piece_bytes_(piece_bytes) {}

  std::size_t read(MutableBytes buffer) override {
    const std::size_t count = std::min({buffer.size(), left_.size(), piece_bytes_});
    std::copy_n(as_bytes(left_).begin(), count, buffer.begin());
    left_.remove_prefix(count);
    return count;
  }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
  std::size_t piece_bytes_;
};

class TextSink final : public Sink {
 public:
  void write(Bytes bytes) override { text.append(as_text(bytes)); }
  std::string text;
};

inline std::string read_all(Source& source, std::size_t buffer_bytes) {
  std::string all;
  std::string buffer(buffer_bytes, '\0');
  for (;;) {
    const std::size_t count = source.read(std::as_writable_bytes(std::span(buffer)));
    if (count == 0) return all;
    all.append(buffer, 0, count);
  }
}

// Reproducible bytes: `entropy` of every 8 are random, the others repeat.
inline std::string sample_text(std::size_t bytes, unsigned entropy = 3) {
  std::string text(bytes, '\0');
  std::uint64_t state = 88172645463325252U;
  for (std::size_t i = 0; i < bytes; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    text[i] = i % 8 < entropy ? static_cast<char>(state >> 32) : static_cast<char>('a' + i % 23);
  }
  return text;
}

}  // namespace fastlayers::codec
