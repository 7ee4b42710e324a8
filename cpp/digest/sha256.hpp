// SHA-256, and the two kinds of identity made from it.
//
// Digest names bytes as stored or sent; DiffId names a layer's uncompressed tar. They are
// different types so that one can never be passed as the other (OCI image-spec, config.md,
// "Layer DiffID"). Values; any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/io.hpp"

namespace fastlayers::digest {

using Hash256 = std::array<std::uint8_t, 32>;

std::string to_hex(const Hash256& hash);
// Parses 64 lowercase hex digits; throws Error(invalid).
Hash256 from_hex(std::string_view hex);

template <class Tag>
struct Named {
  Hash256 hash{};

  auto operator<=>(const Named&) const = default;
  std::string hex() const { return to_hex(hash); }
  std::string str() const { return "sha256:" + to_hex(hash); }
  // Parses "sha256:<hex>"; anything else throws Error(invalid): other algorithms are refused.
  static Named parse(std::string_view text);
};

using Digest = Named<struct DigestTag>;
using DiffId = Named<struct DiffIdTag>;
using ChainId = Named<struct ChainIdTag>;

// Incremental SHA-256 (OpenSSL EVP, the algorithm fetched once per process).
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(Bytes bytes);
  Hash256 finish();  // leaves the object ready for a new message

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Hash256 sha256(Bytes bytes);

// ChainID of `parent` (none for the base layer) with `layer` on top.
// OCI image-spec, config.md, "Layer ChainID".
ChainId chain_id(const ChainId* parent, const DiffId& layer);

}  // namespace fastlayers::digest
