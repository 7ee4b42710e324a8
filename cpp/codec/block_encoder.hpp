// BlockEncoder: cuts what is written into blocks of one fixed size. Compressors may decide by
// how much input they see at a time; with fixed blocks the output depends on the bytes alone,
// never on the sizes of the pieces they were written in.
#pragma once

#include <vector>

#include "codec/codec.hpp"

namespace fastlayers::codec {

class BlockEncoder : public Encoder {
 public:
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  void write(Bytes bytes) final;
  void finish() final;

 private:
  // Every block but the last has kBlockBytes; the last may be empty.
  virtual void block(Bytes bytes, bool last) = 0;

  std::vector<std::byte> pending_;
  bool finished_ = false;
};

}  // namespace fastlayers::codec
