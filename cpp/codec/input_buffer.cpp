#include "codec/input_buffer.hpp"

#include <algorithm>

namespace fastlayers::codec {

InputBuffer::InputBuffer(Source& in)
    : in_(in), storage_(std::make_unique_for_overwrite<std::byte[]>(kHeadroom + kCapacity)) {}

Bytes InputBuffer::peek() {
  if (begin_ == end_ && !ended_) {
    begin_ = end_ = kHeadroom;
    // Filled to the brim: decoders pay a fixed price per piece, and sockets give small pieces.
    while (end_ < kHeadroom + kCapacity) {
      const std::size_t count = in_.read({storage_.get() + end_, kHeadroom + kCapacity - end_});
      if (count == 0) {
        ended_ = true;
        break;
      }
      end_ += count;
    }
  }
  return {storage_.get() + begin_, end_ - begin_};
}

std::optional<std::byte> InputBuffer::next() {
  const Bytes bytes = peek();
  if (bytes.empty()) return std::nullopt;
  consume(1);
  return bytes.front();
}

void InputBuffer::unread(Bytes bytes) {
  // The bytes in front of begin_ are either these very bytes or the headroom.
  begin_ -= bytes.size();
  std::copy(bytes.begin(), bytes.end(), storage_.get() + begin_);
}

}  // namespace fastlayers::codec
