// The gzip framing with each of the engines that this build has.
#include "codec/gzip.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "codec/stream_fixture.hpp"

namespace fastlayers::codec {
namespace {

using namespace std::string_literals;

std::vector<const DeflateEngine*> engines() {
  std::vector<const DeflateEngine*> all = {&zlib_engine()};
  if (isal_engine() != nullptr) all.push_back(isal_engine());
  return all;
}

std::string gzip(const DeflateEngine& engine, std::string_view text, int level = 1) {
  TextSink sink;
  const auto encoder = gzip_encoder(engine, level, sink);
  encoder->write(as_bytes(text));
  encoder->finish();
  return sink.text;
}

std::string gunzip(const DeflateEngine& engine, std::string_view blob,
                   std::size_t piece_bytes = SIZE_MAX, std::size_t buffer_bytes = 1 << 16) {
  TextSource source(blob, piece_bytes);
  return read_all(*gzip_source(engine, source), buffer_bytes);
}

bool is_corrupt(const DeflateEngine& engine, std::string_view blob) {
  try {
    gunzip(engine, blob);
  } catch (const Error& error) {
    return error.kind() == ErrorKind::corrupt;
  }
  return false;
}

// The header of gzip() replaced by one with these flags and optional fields.
std::string with_header(const DeflateEngine& engine, std::string_view text, char flags,
                        const std::string& fields, bool good_crc = true) {
  std::string header = "\x1f\x8b\x08"s + flags + "\x01\x02\x03\x04\x02\x03"s + fields;
  if ((flags & 2) != 0) {
    const std::uint32_t crc = engine.crc32(0, as_bytes(header)) ^ (good_crc ? 0 : 1);
    header += static_cast<char>(crc & 0xff);
    header += static_cast<char>(crc >> 8 & 0xff);
  }
  return header + gzip(engine, text).substr(10);
}

TEST_CASE("engines read each other, in pieces of any size") {
  for (const std::size_t bytes : {0, 1, 100, 40'000, 300'000}) {
    const std::string text = sample_text(bytes);
    for (const DeflateEngine* writer : engines()) {
      for (const int level : {1, 2, 3}) {
        const std::string blob = gzip(*writer, text, level);
        for (const DeflateEngine* reader : engines()) {
          CHECK(gunzip(*reader, blob) == text);
          CHECK(gunzip(*reader, blob, 100, 1 << 20) == text);
          CHECK(gunzip(*reader, blob, 4096, 1000) == text);
          if (bytes <= 40'000) CHECK(gunzip(*reader, blob, 1, 1) == text);
        }
      }
    }
  }
}

TEST_CASE("every split of the input between two buffers is read alike") {
  // Members so placed that header, last block and trailer each cross the buffer's end.
  for (const DeflateEngine* engine : engines()) {
    const std::string head = sample_text(300'000, 8);  // incompressible
    const std::string first = gzip(*engine, head);
    const std::string small = gzip(*engine, "a small member");
    for (std::size_t lead = 0; lead < 48; ++lead) {
      const std::string fill = with_header(*engine, "", 8, std::string(lead, 'n') + '\0');
      std::string blob = fill + first;
      std::string expected = head;
      while (blob.size() < (1 << 20)) {
        blob += small;
        expected += "a small member";
      }
      CHECK(gunzip(*engine, blob, SIZE_MAX, 1 << 18) == expected);
    }
  }
}

TEST_CASE("members are concatenated, NUL padding behind them is ignored") {
  for (const DeflateEngine* engine : engines()) {
    const std::string blob = gzip(*engine, "one ") + gzip(*engine, "") + gzip(*engine, "two");
    CHECK(gunzip(*engine, blob) == "one two");
    CHECK(gunzip(*engine, blob, 1, 1) == "one two");
    CHECK(gunzip(*engine, blob + std::string(300'000, '\0')) == "one two");
  }
}

TEST_CASE("optional header fields are skipped, the header CRC is verified") {
  for (const DeflateEngine* engine : engines()) {
    const std::string fields = "\x05\0"s + "extra" + "name\0"s + "comment\0"s;
    CHECK(gunzip(*engine, with_header(*engine, "text", 4 + 8 + 16, fields)) == "text");
    CHECK(gunzip(*engine, with_header(*engine, "text", 2 + 4 + 8 + 16, fields), 1) == "text");
    CHECK(gunzip(*engine, with_header(*engine, "text", 1, "")) == "text");
    CHECK(is_corrupt(*engine, with_header(*engine, "text", 2 + 8, "name\0"s, false)));
    CHECK(is_corrupt(*engine, with_header(*engine, "text", 0x20, "")));
  }
}

TEST_CASE("every truncation is corrupt") {
  for (const DeflateEngine* engine : engines()) {
    const std::string blob = with_header(*engine, sample_text(3000), 2 + 8, "name\0"s);
    for (std::size_t length = 0; length < blob.size(); ++length) {
      CAPTURE(length);
      CHECK(is_corrupt(*engine, blob.substr(0, length)));
      CHECK((length == 0 || is_corrupt(*engine, gzip(*engine, "first") + blob.substr(0, length))));
    }
  }
}

TEST_CASE("what is behind the last member is ignored") {
  for (const DeflateEngine* engine : engines()) {
    const std::string text = sample_text(3000);
    const std::string blob = gzip(*engine, text);
    for (const std::string& tail :
         {std::string(5000, '\0'), "garbage"s, "\0\0garbage"s, "\0"s + blob}) {
      CHECK(gunzip(*engine, blob + tail) == text);
    }
    CHECK(is_corrupt(*engine, blob + "\x1f\x8b"s));
  }
}

TEST_CASE("damage is corrupt") {
  for (const DeflateEngine* engine : engines()) {
    const std::string blob = gzip(*engine, sample_text(3000));
    for (const std::size_t from_end : {1, 4, 5, 8}) {
      std::string bad = blob;
      bad[bad.size() - from_end] ^= 1;
      CHECK(is_corrupt(*engine, bad));
    }
    CHECK(is_corrupt(*engine, "\0"s + blob));
    CHECK(is_corrupt(*engine, "plain text"));
    CHECK(is_corrupt(*engine, "\x1f\x8b\x07"s + blob.substr(3)));
    // Block type 3, and a match that reaches before the start.
    CHECK(is_corrupt(*engine, blob.substr(0, 10) + "\x07"s + std::string(20, '\0')));
    CHECK(is_corrupt(*engine, blob.substr(0, 10) + "\x63\x00\x02\x00\x00\x00"s));
    // No flip of a single bit goes unnoticed, or ends in anything but a clear error; only the
    // header's time, hint and system carry no meaning.
    for (std::size_t bit = 10 * 8; bit < std::min<std::size_t>(blob.size(), 400) * 8; ++bit) {
      std::string bad = blob;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      CHECK(is_corrupt(*engine, bad));
    }
  }
}

TEST_CASE("nothing about the machine or the time is in the output") {
  for (const DeflateEngine* engine : engines()) {
    CHECK(gzip(*engine, "text").substr(0, 10) == "\x1f\x8b\x08\0\0\0\0\0\0\xff"s);
    CHECK(gzip(*engine, sample_text(600'000)) == gzip(*engine, sample_text(600'000)));
  }
}

}  // namespace
}  // namespace fastlayers::codec
