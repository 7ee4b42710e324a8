// gzip: both engines agree on what a stream says, however it arrives; compressing that and reading
// it again gives it back.
#include "base/fuzz_fixture.hpp"
#include "codec/gzip.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers {

namespace {

constexpr std::size_t kMostBytes = std::size_t{8} << 20;

struct Reading {
  bool refused = false;
  std::string bytes;
};

Reading read(const codec::DeflateEngine& engine, std::string_view stream, std::size_t piece_bytes) {
  Reading reading;
  codec::TextSource in(stream, piece_bytes);
  reading.refused = fuzz::refusal([&] {
                      const auto source = codec::gzip_source(engine, in);
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
  const Reading expected = read(codec::zlib_engine(), stream, SIZE_MAX);
  const codec::DeflateEngine* isal = codec::isal_engine();
  fuzz::require(isal != nullptr, "ISA-L is not installed");
  for (const std::size_t piece_bytes : {std::size_t{7}, SIZE_MAX}) {
    const Reading got = read(*isal, stream, piece_bytes);
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
