#include "digest/xxh3.hpp"

#include <xxhash.h>

#include <algorithm>
#include <new>

namespace fastlayers::digest {

namespace {

constexpr std::array<std::byte, 64 * 1024> kZeros{};

Hash128 canonical(XXH128_hash_t value) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, value);
  Hash128 hash{};
  std::copy(std::begin(bytes.digest), std::end(bytes.digest), hash.begin());
  return hash;
}

}  // namespace

struct Xxh3::State {
  State() : hasher(XXH3_createState()) {
    if (hasher == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(hasher);
  }
  ~State() { XXH3_freeState(hasher); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* hasher;
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {}
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;
Xxh3::~Xxh3() = default;

void Xxh3::update(Bytes bytes) {
  // The library reports a null pointer as an error even when there is nothing to hash.
  if (bytes.empty()) return;
  XXH3_128bits_update(state_->hasher, bytes.data(), bytes.size());
}

void Xxh3::update_zeros(std::uint64_t count) {
  while (count > 0) {
    const std::uint64_t piece = std::min<std::uint64_t>(count, kZeros.size());
    update(Bytes(kZeros).first(static_cast<std::size_t>(piece)));
    count -= piece;
  }
}

Hash128 Xxh3::finish() {
  const Hash128 hash = canonical(XXH3_128bits_digest(state_->hasher));
  XXH3_128bits_reset(state_->hasher);
  return hash;
}

struct Xxh3Stream64::State {
  State() : hasher(XXH3_createState()) {
    if (hasher == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(hasher);
  }
  ~State() { XXH3_freeState(hasher); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* hasher;
};

Xxh3Stream64::Xxh3Stream64() : state_(std::make_unique<State>()) {}
Xxh3Stream64::~Xxh3Stream64() = default;

void Xxh3Stream64::update(Bytes bytes) {
  if (bytes.empty()) return;
  XXH3_64bits_update(state_->hasher, bytes.data(), bytes.size());
}

std::uint64_t Xxh3Stream64::finish() const { return XXH3_64bits_digest(state_->hasher); }

Hash128 xxh3(Bytes bytes) { return canonical(XXH3_128bits(bytes.data(), bytes.size())); }

std::uint64_t xxh3_64(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace fastlayers::digest
