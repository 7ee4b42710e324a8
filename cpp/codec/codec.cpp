#include "codec/codec.hpp"

#include <string>

#include "base/error.hpp"
#include "codec/gzip.hpp"
#include "codec/zstd.hpp"

namespace fastlayers::codec {

namespace {

constexpr std::uint32_t kZstdMagic = 0xfd2fb528;
constexpr std::uint32_t kSkippableMagic = 0x184d2a50;  // the last four bits are free
constexpr std::size_t kSkippableHeaderBytes = 8;

std::uint32_t little_endian(Bytes bytes) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * i);
  return value;
}

bool begins_with_zstd(Bytes head) {
  bool skippable_in_front = false;
  while (head.size() >= 4) {
    const std::uint32_t magic = little_endian(head);
    if (magic == kZstdMagic) return true;
    if ((magic & ~std::uint32_t{15}) != kSkippableMagic) return false;
    skippable_in_front = true;
    if (head.size() < kSkippableHeaderBytes) break;
    const std::size_t frame_bytes = kSkippableHeaderBytes + little_endian(head.subspan(4));
    if (frame_bytes > head.size()) break;
    head = head.subspan(frame_bytes);
  }
  // What follows the skippable frame is out of sight; no tar begins like one.
  return skippable_in_front;
}

class PlainSource final : public Source {
 public:
  explicit PlainSource(Source& in) : in_(in) {}
  std::size_t read(MutableBytes buffer) override { return in_.read(buffer); }

 private:
  Source& in_;
};

class PlainEncoder final : public Encoder {
 public:
  explicit PlainEncoder(Sink& out) : out_(out) {}
  void write(Bytes bytes) override { out_.write(bytes); }
  void finish() override {}

 private:
  Sink& out_;
};

const DeflateEngine& inflate_engine() {
  const DeflateEngine* isal = isal_engine();
  return isal != nullptr ? *isal : zlib_engine();
}

std::unique_ptr<Encoder> gzip_encoder_of_level(int level, Sink& out, unsigned threads) {
  const DeflateEngine* isal = isal_engine();
  if (isal != nullptr && isal->has_level(level)) return gzip_encoder(*isal, level, out, threads);
  if (zlib_engine().has_level(level)) return gzip_encoder(zlib_engine(), level, out, threads);
  throw Error(ErrorKind::invalid, "gzip has the levels 0 to 9, not " + std::to_string(level));
}

}  // namespace

Compression sniff(Bytes head) {
  if (head.size() >= 2 && head[0] == std::byte{0x1f} && head[1] == std::byte{0x8b}) {
    return Compression::gzip;
  }
  return begins_with_zstd(head) ? Compression::zstd : Compression::none;
}

std::unique_ptr<Source> decompress(Compression compression, Source& in) {
  switch (compression) {
    case Compression::gzip:
      return gzip_source(inflate_engine(), in);
    case Compression::zstd:
      return zstd_source(in);
    case Compression::none:
      break;
  }
  return std::make_unique<PlainSource>(in);
}

std::unique_ptr<Encoder> compress(Compression compression, int level, Sink& out, unsigned threads) {
  switch (compression) {
    case Compression::gzip:
      return gzip_encoder_of_level(level, out, threads);
    case Compression::zstd:
      return zstd_encoder(level, out, threads);
    case Compression::none:
      break;
  }
  return std::make_unique<PlainEncoder>(out);
}

}  // namespace fastlayers::codec
