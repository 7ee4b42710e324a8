// zstd and its frames: the same however the stream arrives; compressed and read again, the same.
#include "codec/codec.hpp"
#include "codec/reading_fixture.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers {

namespace {

codec::Reading read(std::string_view stream, std::size_t piece_bytes) {
  codec::TextSource in(stream, piece_bytes);
  return codec::read_source([&] { return codec::decompress(codec::Compression::zstd, in); });
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  const std::string_view stream = fuzz::text_of(data, size);
  codec::sniff(as_bytes(stream.substr(0, codec::kSniffBytes)));
  const codec::Reading whole = read(stream, SIZE_MAX);
  const codec::Reading pieces = read(stream, 7);
  fuzz::require(whole.refused == pieces.refused, "refused for its pieces");
  fuzz::require(whole.refused || whole.bytes == pieces.bytes, "other bytes in pieces");
  codec::TextSink packed;
  const auto encoder = codec::compress(codec::Compression::zstd, 3, packed);
  encoder->write(as_bytes(stream));
  encoder->finish();
  fuzz::require(read(packed.text, SIZE_MAX).bytes == stream, "not what was compressed");
  return 0;
}
