// zstd and its frames: the same however the stream arrives; compressed and read again, the same.
#include "base/fuzz_fixture.hpp"
#include "codec/codec.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers {

namespace {

constexpr std::size_t kMostBytes = std::size_t{8} << 20;

struct Reading {
  bool refused = false;
  std::string bytes;
};

Reading read(std::string_view stream, std::size_t piece_bytes) {
  Reading reading;
  codec::TextSource in(stream, piece_bytes);
  reading.refused = fuzz::refusal([&] {
                      const auto source = codec::decompress(codec::Compression::zstd, in);
                      std::string room(65536, '\0');
                      while (reading.bytes.size() < kMostBytes) {
                        const std::size_t count =
                            source->read(std::as_writable_bytes(std::span(room)));
                        if (count == 0) break;
                        reading.bytes.append(room, 0, count);
                      }
                    }).has_value();
  return reading;
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  const std::string_view stream = fuzz::text_of(data, size);
  codec::sniff(as_bytes(stream.substr(0, codec::kSniffBytes)));
  const Reading whole = read(stream, SIZE_MAX);
  const Reading pieces = read(stream, 7);
  fuzz::require(whole.refused == pieces.refused, "refused for its pieces");
  fuzz::require(whole.refused || whole.bytes == pieces.bytes, "other bytes in pieces");
  codec::TextSink packed;
  const auto encoder = codec::compress(codec::Compression::zstd, 3, packed);
  encoder->write(as_bytes(stream));
  encoder->finish();
  fuzz::require(read(packed.text, SIZE_MAX).bytes == stream, "not what was compressed");
  return 0;
}
