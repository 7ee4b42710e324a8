// CompressedReader: a part of a file as it is compressed, read piece by piece while threads
// compress what is ahead. What is sent of a layer that lies in the store or in an archive as a
// plain tar.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "base/queue.hpp"
#include "codec/codec.hpp"
#include "digest/sha256.hpp"
#include "sys/fd.hpp"

namespace fastlayers::blob {

class CompressedReader {
 public:
  // The bytes that are read: a range of a file, and their digest. `damage` is what the error says
  // if they have another one.
  struct Plain {
    sys::Fd file;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    digest::Digest expected;
    std::string damage;
  };

  // If the bytes are fewer or others than expected, the reader ends with Error(corrupt).
  CompressedReader(Plain plain, codec::Compression compression, int level, unsigned threads);
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

  Plain plain_;
  BoundedQueue<std::vector<std::byte>> pieces_{4};
  std::exception_ptr failure_;
  digest::Digest digest_;
  std::uint64_t size_ = 0;
  std::thread worker_;
};

}  // namespace fastlayers::blob
