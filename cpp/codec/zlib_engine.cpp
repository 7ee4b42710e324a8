#include <zlib.h>

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "codec/deflate_engine.hpp"

namespace fastlayers::codec {

namespace {

constexpr std::size_t kOutputBytes = 256 * 1024;
constexpr std::size_t kLargestPiece = std::size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kRawDeflate = -MAX_WBITS;
constexpr int kMemoryLevel = 8;

Bytef* unconst(Bytes bytes) {
  // zlib's input pointer is const only when built so; it does not write through it.
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

class ZlibInflater final : public Inflater {
 public:
  ZlibInflater() {
    if (inflateInit2(&stream_, kRawDeflate) != Z_OK) throw std::bad_alloc();
  }
  ~ZlibInflater() override { inflateEnd(&stream_); }
  ZlibInflater(const ZlibInflater&) = delete;
  ZlibInflater& operator=(const ZlibInflater&) = delete;

  void reset() override { inflateReset(&stream_); }

  InflateStep inflate(Bytes input, MutableBytes output) override {
    input = input.first(std::min(input.size(), kLargestPiece));
    output = output.first(std::min(output.size(), kLargestPiece));
    stream_.next_in = unconst(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(output.size());
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      const char* detail = stream_.msg != nullptr ? stream_.msg : "invalid data";
      throw Error(ErrorKind::corrupt, std::string("the compressed data is damaged: ") + detail);
    }
    InflateStep step;
    step.consumed = input.size() - stream_.avail_in;
    step.produced = output.size() - stream_.avail_out;
    step.done = result == Z_STREAM_END;
    return step;
  }

 private:
  z_stream stream_{};
};

class ZlibDeflater final : public Deflater {
 public:
  explicit ZlibDeflater(int level) : output_(kOutputBytes) {
    if (deflateInit2(&stream_, level, Z_DEFLATED, kRawDeflate, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~ZlibDeflater() override { deflateEnd(&stream_); }
  ZlibDeflater(const ZlibDeflater&) = delete;
  ZlibDeflater& operator=(const ZlibDeflater&) = delete;

  void deflate(Bytes dictionary, Bytes block, bool last, Sink& out) override {
    deflateReset(&stream_);
    if (!dictionary.empty()) {
      deflateSetDictionary(&stream_, unconst(dictionary), static_cast<uInt>(dictionary.size()));
    }
    stream_.next_in = unconst(block);
    stream_.avail_in = static_cast<uInt>(block.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
      stream_.avail_out = static_cast<uInt>(output_.size());
      // Cannot fail: the stream is valid, and "no progress" only ends the loop.
      ::deflate(&stream_, last ? Z_FINISH : Z_SYNC_FLUSH);
      out.write(Bytes(output_).first(output_.size() - stream_.avail_out));
    } while (stream_.avail_out == 0);
  }

 private:
  z_stream stream_{};
  std::vector<std::byte> output_;
};

class ZlibEngine final : public DeflateEngine {
 public:
  std::unique_ptr<Inflater> make_inflater() const override {
    return std::make_unique<ZlibInflater>();
  }
  bool has_level(int level) const override { return level >= 0 && level <= 9; }
  std::unique_ptr<Deflater> make_deflater(int level) const override {
    return std::make_unique<ZlibDeflater>(level);
  }
  std::uint32_t crc32(std::uint32_t crc, Bytes bytes) const override {
    // crc32_z() answers a null pointer with the initial value instead of `crc`.
    if (bytes.empty()) return crc;
    return static_cast<std::uint32_t>(
        ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }
};

}  // namespace

const DeflateEngine& zlib_engine() {
  static const ZlibEngine engine;
  return engine;
}

}  // namespace fastlayers::codec
