#include <array>
#include <cstdint>

#include "codec/block_encoder.hpp"
#include "codec/gzip.hpp"

namespace fastlayers::codec {

namespace {

// Magic, DEFLATE, no flags, no time, no hint, unknown system: nothing of the machine it ran on.
constexpr std::array<std::uint8_t, 10> kHeader = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

class GzipEncoder final : public BlockEncoder {
 public:
  GzipEncoder(const DeflateEngine& engine, int level, Sink& out)
      : engine_(engine), deflater_(engine.make_deflater(level)), out_(out) {}

 private:
  void block(Bytes bytes, bool last) override {
    if (!started_) out_.write(std::as_bytes(std::span(kHeader)));
    started_ = true;
    crc_ = engine_.crc32(crc_, bytes);
    size_ += static_cast<std::uint32_t>(bytes.size());  // ISIZE counts modulo 2^32
    deflater_->deflate(bytes, last, out_);
    if (last) write_trailer();
  }

  void write_trailer() {
    std::array<std::byte, 8> trailer{};
    for (unsigned i = 0; i < 4; ++i) {
      trailer[i] = static_cast<std::byte>(crc_ >> (8 * i) & 0xff);
      trailer[4 + i] = static_cast<std::byte>(size_ >> (8 * i) & 0xff);
    }
    out_.write(trailer);
  }

  const DeflateEngine& engine_;
  std::unique_ptr<Deflater> deflater_;
  Sink& out_;
  bool started_ = false;
  std::uint32_t crc_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace

std::unique_ptr<Encoder> gzip_encoder(const DeflateEngine& engine, int level, Sink& out) {
  return std::make_unique<GzipEncoder>(engine, level, out);
}

}  // namespace fastlayers::codec
