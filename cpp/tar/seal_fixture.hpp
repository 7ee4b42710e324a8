// A mutator for tars: what libFuzzer makes of a header gets the right checksum, or nothing behind
// the checksum would ever be tried.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tar/block.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace fastlayers::tar {

inline void seal(std::uint8_t* data, std::size_t size) {
  for (std::size_t at = 0; at + kBlockBytes <= size;) {
    std::uint8_t* block = data + at;
    at += kBlockBytes;
    if (block[0] == 0) continue;  // the end mark, or no name
    char text[16];
    std::snprintf(text, sizeof(text), "%06o",
                  static_cast<unsigned>(checksum(reinterpret_cast<const std::byte*>(block))));
    std::memcpy(block + 148, text, 7);
    block[155] = ' ';
    std::uint64_t body = 0;
    for (int i = 124; i < 135 && block[i] >= '0' && block[i] <= '7'; ++i) {
      body = body * 8 + (block[i] - '0');
    }
    if (body > size) return;
    at += (body + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
}

}  // namespace fastlayers::tar

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned) {
  size = LLVMFuzzerMutate(data, size, max_size);
  fastlayers::tar::seal(data, size);
  return size;
}
