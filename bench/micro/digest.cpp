#include <xxhash.h>

#include "benchmarks.hpp"
#include "digest/xxh3.hpp"

namespace micro {

namespace {

using namespace fastlayers;

constexpr std::size_t kChunkBytes = 512 * 1024;

template <class Hash>
auto in_chunks(Hash& hash, Bytes bytes) {
  while (!bytes.empty()) {
    const std::size_t count = std::min(kChunkBytes, bytes.size());
    hash.update(bytes.first(count));
    bytes = bytes.subspan(count);
  }
  return hash.finish();
}

}  // namespace

Figures digest_figures(const Context& context) {
  const Bytes tar = as_bytes(context.sample.tar);
  digest::Sha256 sha;
  require(in_chunks(sha, tar) == context.sample.sha256, "SHA-256", "another digest");
  Figure sha256{"SHA-256", tar.size(), 0, {}, "EVP SHA-256, hot buffer"};
  sha256.timing = measure(context.rounds, [&] { in_chunks(sha, tar); });

  digest::Xxh3 xxh;
  XXH128_canonical_t reference;
  XXH128_canonicalFromHash(&reference, XXH3_128bits(tar.data(), tar.size()));
  const digest::Hash128 hash = in_chunks(xxh, tar);
  require(std::memcmp(hash.data(), reference.digest, hash.size()) == 0, "XXH3", "another hash");
  Figure xxh3{"XXH3", tar.size(), 0, {}, "memcpy"};
  xxh3.timing = measure(context.rounds, [&] { in_chunks(xxh, tar); });
  return {sha256, xxh3};
}

}  // namespace micro
