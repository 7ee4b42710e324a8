// CompressedReader: a file as it is compressed, read piece by piece while threads compress what is
// ahead. What a push sends of a layer that lies in the store as a plain tar.
#pragma once

#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "base/queue.hpp"
#include "codec/codec.hpp"
#include "digest/sha256.hpp"
#include "sys/fd.hpp"

namespace fastlayers::blob {

class CompressedReader {
 public:
  // Reads `file` from its start to its end. If its bytes do not hash to `expected`, the reader ends
  // with Error(corrupt).
  CompressedReader(sys::Fd file, const digest::Digest& expected, codec::Compression compression,
                   int level, unsigned threads);
  CompressedReader(const CompressedReader&) = delete;
  CompressedReader& operator=(const CompressedReader&) = delete;
  ~CompressedReader();

  // The next piece, of about a megabyte; empty at the end. Throws what went wrong.
  std::vector<std::byte> read();
  // Of all that was read; valid at the end.
  const digest::Digest& digest() const { return digest_; }
  std::uint64_t size() const { return size_; }

 private:
  class Pieces;
  void work(codec::Compression compression, int level, unsigned threads);

  sys::Fd file_;
  digest::Digest expected_;
  BoundedQueue<std::vector<std::byte>> pieces_{4};
  std::exception_ptr failure_;
  digest::Digest digest_;
  std::uint64_t size_ = 0;
  std::thread worker_;
};

}  // namespace fastlayers::blob
