// InputBuffer: the compressed side of a decoder. Reads its Source in large pieces into one buffer
// that is reused, and can take back a few bytes that a decoder consumed too many.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/io.hpp"

namespace fastlayers::codec {

class InputBuffer {
 public:
  static constexpr std::size_t kCapacity = 256 * 1024;
  static constexpr std::size_t kHeadroom = 16;  // the most that unread() takes

  explicit InputBuffer(Source& in);

  // What is buffered and not consumed, read from the source when there is nothing. Empty means
  // the end of the source. Valid until the next call of any member.
  Bytes peek();
  void consume(std::size_t count) { begin_ += count; }
  std::optional<std::byte> next();
  // Puts the last consumed bytes back. They may have been consumed from an earlier buffer.
  void unread(Bytes bytes);

 private:
  Source& in_;
  std::unique_ptr<std::byte[]> storage_;
  std::size_t begin_ = kHeadroom;
  std::size_t end_ = kHeadroom;
  bool ended_ = false;
};

}  // namespace fastlayers::codec
