#include "codec/codec.hpp"

#include "benchmarks.hpp"
#include "codec/gzip.hpp"

namespace micro {

namespace {

using namespace fastlayers;

constexpr std::size_t kChunkBytes = 512 * 1024;  // as ingest reads

template <class Make>
Figure decode(const Context& context, const std::string& name, const std::string& compressed,
              const std::string& limit, Make make) {
  std::string chunk(kChunkBytes, '\0');
  const auto run = [&](const std::function<void(Bytes)>& take) {
    MemorySource in(as_bytes(compressed));
    const auto source = make(in);
    while (const std::size_t count = source->read(std::as_writable_bytes(std::span(chunk)))) {
      take(as_bytes(std::string_view(chunk).substr(0, count)));
    }
  };
  digest::Sha256 hash;
  std::uint64_t bytes = 0;
  run([&](Bytes piece) {
    hash.update(piece);
    bytes += piece.size();
  });
  require(bytes == context.sample.tar.size(), name, "another length");
  require(hash.finish() == context.sample.sha256, name, "another digest");
  const Timing timing = measure(context.rounds, [&] { run([](Bytes) {}); });
  return {name, bytes, 0, timing, limit};
}

}  // namespace

Figures codec_figures(const Context& context) {
  Figures figures;
  const std::string limit = "one-shot ISA-L inflate";
  const auto gzip = [&](const std::string& name, const codec::DeflateEngine& engine) {
    figures.push_back(decode(context, name, context.gzip, limit,
                             [&](Source& in) { return codec::gzip_source(engine, in); }));
  };
  if (codec::isal_engine() != nullptr) gzip("inflate, ISA-L", *codec::isal_engine());
  gzip("inflate, zlib", codec::zlib_engine());
  figures.push_back(decode(context, "zstd", context.zstd, "memcpy", [](Source& in) {
    return codec::decompress(codec::Compression::zstd, in);
  }));
  return figures;
}

}  // namespace micro
