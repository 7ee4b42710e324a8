// XXH3-128: the fast content hash of the file table. Never an identity: not collision-proof
// against an attacker.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/io.hpp"

namespace fastlayers::digest {

using Hash128 = std::array<std::uint8_t, 16>;  // canonical (big-endian) byte order

class Xxh3 {
 public:
  Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;
  ~Xxh3();
  void update(Bytes bytes);
  void update_zeros(std::uint64_t count);
  Hash128 finish();  // leaves the object ready for a new message

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The 64-bit form, for checksums of derived files.
class Xxh3Stream64 {
 public:
  Xxh3Stream64();
  Xxh3Stream64(const Xxh3Stream64&) = delete;
  ~Xxh3Stream64();
  void update(Bytes bytes);
  std::uint64_t finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Hash128 xxh3(Bytes bytes);
std::uint64_t xxh3_64(Bytes bytes);

}  // namespace fastlayers::digest
