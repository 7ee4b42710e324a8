// Layer compression: what a blob is (by its first bytes, never by its label), and the two
// directions.
#pragma once

#include <cstdint>
#include <memory>

#include "base/io.hpp"

namespace fastlayers::codec {

enum class Compression { none, gzip, zstd };

// How many leading bytes sniff() wants to see (fewer at the end of a short blob).
inline constexpr std::size_t kSniffBytes = 64;

// gzip: 1f 8b; zstd: the frame magic, also behind skippable frames (184d2a5?); else none.
Compression sniff(Bytes head);

// A Source of the decompressed bytes of `in`, which must outlive it. Reads `in` to its very end.
// gzip: all members of a multi-member stream, header CRC and optional fields accepted, CRC32 and
// ISIZE verified; what is behind the last member and does not begin like one is ignored.
// zstd: several frames, skippable frames, checksums verified. A stream that ends early is
// Error(corrupt). An empty input is Error(corrupt) for gzip and zstd.
// none: `in` itself. Memory is constant (windows larger than 128 MiB are Error(limit)).
std::unique_ptr<Source> decompress(Compression compression, Source& in);

// A Sink that compresses into `out` (which must outlive it); finish() writes the end of the
// stream. The output depends on the bytes, the level and the library alone, not on `threads`,
// which compress blocks at once (`out` is only written by the thread that writes to the encoder).
// gzip carries no time and no name.
class Encoder : public Sink {
 public:
  virtual void finish() = 0;
};
std::unique_ptr<Encoder> compress(Compression compression, int level, Sink& out,
                                  unsigned threads = 1);

}  // namespace fastlayers::codec
