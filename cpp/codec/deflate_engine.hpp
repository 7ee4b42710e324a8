// DeflateEngine: raw DEFLATE (RFC 1951) and CRC-32 by one library. ISA-L is several times faster
// than zlib and is used where it was found at build time; zlib serves everywhere else and for
// the compression levels ISA-L does not have. Both are always tested against each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/io.hpp"

namespace fastlayers::codec {

// One call of Inflater::inflate().
struct InflateStep {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  bool done = false;  // the final block is decoded and all of its output is delivered
  // With done: bytes behind the end of the stream that were consumed in this or an earlier call.
  std::array<std::byte, 8> surplus{};
  std::size_t surplus_bytes = 0;
};

class Inflater {
 public:
  virtual ~Inflater() = default;
  virtual void reset() = 0;  // ready for a new stream
  // Throws Error(corrupt) for anything that is not DEFLATE. A step that neither consumes nor
  // produces needs more input.
  virtual InflateStep inflate(Bytes input, MutableBytes output) = 0;
};

inline constexpr std::size_t kWindowBytes = 32 * 1024;  // how far back DEFLATE refers

class Deflater {
 public:
  virtual ~Deflater() = default;
  // Compresses one block of a stream by itself: what came before it is `dictionary`, at most
  // kWindowBytes. The output ends at a byte's boundary; `last` ends the stream.
  virtual void deflate(Bytes dictionary, Bytes block, bool last, Sink& out) = 0;
};

class DeflateEngine {
 public:
  virtual ~DeflateEngine() = default;
  virtual std::unique_ptr<Inflater> make_inflater() const = 0;
  virtual bool has_level(int level) const = 0;
  virtual std::unique_ptr<Deflater> make_deflater(int level) const = 0;
  virtual std::uint32_t crc32(std::uint32_t crc, Bytes bytes) const = 0;
};

const DeflateEngine*
isal_engine();  // nullptr when built without ISA-L, or when it is not installed
const DeflateEngine& zlib_engine();

}  // namespace fastlayers::codec
