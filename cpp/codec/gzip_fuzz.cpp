// gzip: both engines agree on what a stream says, however it arrives; compressing that and reading
// it again gives it back.
#include "codec/gzip.hpp"
#include "codec/reading_fixture.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers {

namespace {

codec::Reading read(const codec::DeflateEngine& engine, std::string_view stream,
                    std::size_t piece_bytes) {
  codec::TextSource in(stream, piece_bytes);
  return codec::read_source([&] { return codec::gzip_source(engine, in); });
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  const std::string_view stream = fuzz::text_of(data, size);
  const codec::Reading expected = read(codec::zlib_engine(), stream, SIZE_MAX);
  const codec::DeflateEngine* isal = codec::isal_engine();
  fuzz::require(isal != nullptr, "ISA-L is not installed");
  for (const std::size_t piece_bytes : {std::size_t{7}, SIZE_MAX}) {
    const codec::Reading got = read(*isal, stream, piece_bytes);
    fuzz::require(got.refused == expected.refused, "one engine refuses what the other accepts");
    fuzz::require(expected.refused || got.bytes == expected.bytes, "the engines disagree");
  }
  codec::TextSink packed;
  const auto encoder = codec::compress(codec::Compression::gzip, 1, packed);
  encoder->write(as_bytes(stream));
  encoder->finish();
  fuzz::require(read(*isal, packed.text, SIZE_MAX).bytes == stream, "not what was compressed");
  return 0;
}
