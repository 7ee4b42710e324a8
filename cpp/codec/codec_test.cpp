#include "codec/codec.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "codec/gzip.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers::codec {
namespace {

using namespace std::string_literals;

ErrorKind kind_of(auto&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error was thrown");
  return ErrorKind::invalid;
}

std::string encode(Compression compression, int level, std::string_view text,
                   std::size_t piece_bytes = SIZE_MAX) {
  TextSink sink;
  const auto encoder = compress(compression, level, sink);
  for (std::size_t at = 0; at < text.size(); at += std::min(piece_bytes, text.size() - at)) {
    encoder->write(as_bytes(text.substr(at, piece_bytes)));
  }
  encoder->finish();
  return sink.text;
}

std::string decode(Compression compression, std::string_view blob) {
  TextSource source(blob);
  return read_all(*decompress(compression, source), 1 << 16);
}

const std::string kSkippable = "\x5e\x2a\x4d\x18\x03\x00\x00\x00xyz"s;

TEST_CASE("sniff goes by the first bytes") {
  CHECK(sniff({}) == Compression::none);
  CHECK(sniff(as_bytes("\x1f")) == Compression::none);
  CHECK(sniff(as_bytes("\x1f\x8b")) == Compression::gzip);
  CHECK(sniff(as_bytes("\x28\xb5\x2f\xfd")) == Compression::zstd);
  CHECK(sniff(as_bytes("\x28\xb5\x2f")) == Compression::none);
  CHECK(sniff(as_bytes("etc/passwd")) == Compression::none);
  CHECK(sniff(as_bytes(kSkippable + kSkippable + "\x28\xb5\x2f\xfd")) == Compression::zstd);
  CHECK(sniff(as_bytes(kSkippable + "etc/passwd")) == Compression::none);
  CHECK(sniff(as_bytes("\x50\x2a\x4d\x18\xff\xff\xff\xff"s + std::string(56, 'x'))) ==
        Compression::zstd);
}

TEST_CASE("what is compressed comes back, whatever the level and the sizes of the pieces") {
  for (const std::size_t bytes : {0, 1, 1000, 256 * 1024, 700'001}) {
    const std::string text = sample_text(bytes);
    for (const int level : {1, 2, 3, 6, 9}) {
      for (const Compression compression : {Compression::gzip, Compression::zstd}) {
        CAPTURE(bytes);
        CAPTURE(level);
        const std::string blob = encode(compression, level, text);
        CHECK(sniff(as_bytes(blob).first(std::min(blob.size(), kSniffBytes))) == compression);
        CHECK(decode(compression, blob) == text);
        CHECK(encode(compression, level, text, 1001) == blob);
      }
    }
  }
  CHECK(decode(Compression::gzip, encode(Compression::gzip, 0, "stored")) == "stored");
  CHECK(encode(Compression::none, 0, "plain") == "plain");
  CHECK(decode(Compression::none, "plain") == "plain");
}

TEST_CASE("threads change nothing") {
  const std::string text = sample_text(3'000'000) + std::string(1 << 20, 0);
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    for (const int level : {1, 3, 6}) {
      TextSink alone;
      TextSink many;
      for (const auto& [sink, threads] : {std::pair{&alone, 1U}, std::pair{&many, 5U}}) {
        const auto encoder = compress(compression, level, *sink, threads);
        encoder->write(as_bytes(text));
        encoder->finish();
      }
      CHECK(alone.text == many.text);
      CHECK(decode(compression, many.text) == text);
    }
  }
}

TEST_CASE("an encoder that is given up ends its threads") {
  TextSink sink;
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    const auto encoder = compress(compression, 1, sink, 3);
    encoder->write(as_bytes(sample_text(2'000'000)));
  }
}

TEST_CASE("a level that does not exist is refused") {
  TextSink sink;
  CHECK(kind_of([&] { compress(Compression::gzip, 10, sink); }) == ErrorKind::invalid);
  CHECK(kind_of([&] { compress(Compression::gzip, -1, sink); }) == ErrorKind::invalid);
  CHECK(kind_of([&] { compress(Compression::zstd, 23, sink); }) == ErrorKind::invalid);
  CHECK(kind_of([&] { compress(Compression::zstd, 0, sink); }) == ErrorKind::invalid);
}

TEST_CASE("a finished encoder takes nothing more") {
  TextSink sink;
  const auto encoder = compress(Compression::gzip, 1, sink);
  encoder->finish();
  CHECK(kind_of([&] { encoder->write(as_bytes("late")); }) == ErrorKind::invalid);
  CHECK(kind_of([&] { encoder->finish(); }) == ErrorKind::invalid);
}

TEST_CASE("zstd: several frames and skippable frames are one stream") {
  const std::string text = sample_text(300'000);
  const std::string frame = encode(Compression::zstd, 3, text);
  CHECK(decode(Compression::zstd, kSkippable + frame + kSkippable + frame) == text + text);
  CHECK(decode(Compression::zstd, frame + kSkippable) == text);
  CHECK(decode(Compression::zstd, kSkippable) == "");
}

TEST_CASE("zstd: damage is corrupt") {
  const std::string frame = encode(Compression::zstd, 3, sample_text(300'000));
  std::string bad_checksum = frame;
  bad_checksum.back() ^= 1;
  for (const std::string& blob :
       {std::string(), frame.substr(0, 3), frame.substr(0, frame.size() - 1),
        frame.substr(0, frame.size() / 2), frame + "x", frame + "garbage",
        frame + kSkippable.substr(0, 9), bad_checksum, "not zstd at all"s}) {
    CAPTURE(blob.size());
    CHECK(kind_of([&] { decode(Compression::zstd, blob); }) == ErrorKind::corrupt);
  }
}

TEST_CASE("zstd: a window beyond 128 MiB is a limit") {
  // Frame header: magic, descriptor 0 (window follows), window exponent 18 (2^28), an empty block.
  const std::string blob = "\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00"s;
  CHECK(kind_of([&] { decode(Compression::zstd, blob); }) == ErrorKind::limit);
}

TEST_CASE("the source is read to its very end") {
  const std::string text = sample_text(10'000);
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    std::string blob = encode(compression, 1, text);
    if (compression == Compression::gzip) blob.append(600'000, '\0');
    if (compression == Compression::zstd) blob += kSkippable;
    TextSource source(blob, 1000);
    const auto decoded = decompress(compression, source);
    CHECK(read_all(*decoded, 777) == text);
    CHECK(source.at_end());
    std::byte more;
    CHECK(decoded->read({&more, 1}) == 0);
  }
}

}  // namespace
}  // namespace fastlayers::codec
