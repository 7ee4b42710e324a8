#include <cstdint>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "codec/gzip.hpp"
#include "codec/input_buffer.hpp"

namespace fastlayers::codec {

namespace {

// Bits of the FLG byte.
constexpr std::uint8_t kHeaderCrc = 1 << 1;
constexpr std::uint8_t kExtra = 1 << 2;
constexpr std::uint8_t kName = 1 << 3;
constexpr std::uint8_t kComment = 1 << 4;
constexpr std::uint8_t kReserved = 0xe0;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorKind::corrupt, "gzip: " + what);
}

// The bytes of one member's header, with their running CRC.
class HeaderReader {
 public:
  HeaderReader(const DeflateEngine& engine, InputBuffer& input) : engine_(engine), input_(input) {}

  // Reads everything up to the compressed data; the first magic byte has been read already.
  void read() {
    crc_ = 0;
    add(std::byte{0x1f});
    if (next() != 0x8b) fail("not a gzip member header");
    if (next() != 8) fail("unknown compression method (only DEFLATE, 8, exists)");
    const std::uint8_t flags = next();
    if ((flags & kReserved) != 0) fail("reserved header flags are set");
    for (int i = 0; i < 6; ++i) next();  // MTIME, XFL, OS
    if ((flags & kExtra) != 0) {
      for (std::uint32_t left = next_u16(); left > 0; --left) next();
    }
    if ((flags & kName) != 0) skip_text();
    if ((flags & kComment) != 0) skip_text();
    if ((flags & kHeaderCrc) != 0) {
      const std::uint32_t expected = crc_ & 0xffff;
      if (next_u16() != expected) fail("the header does not match its CRC");
    }
  }

 private:
  void add(std::byte byte) { crc_ = engine_.crc32(crc_, {&byte, 1}); }

  std::uint8_t next() {
    const std::optional<std::byte> byte = input_.next();
    if (!byte) fail("the stream ends inside a member header");
    add(*byte);
    return std::to_integer<std::uint8_t>(*byte);
  }

  std::uint32_t next_u16() {
    const std::uint32_t low = next();
    return low | std::uint32_t{next()} << 8;
  }

  void skip_text() {
    while (next() != 0) {
    }
  }

  const DeflateEngine& engine_;
  InputBuffer& input_;
  std::uint32_t crc_ = 0;
};

class GzipSource final : public Source {
 public:
  GzipSource(const DeflateEngine& engine, Source& in)
      : engine_(engine), input_(in), inflater_(engine.make_inflater()) {}

  // Fills `buffer` unless the stream ends, so that every consumer sees large pieces.
  std::size_t read(MutableBytes buffer) override {
    std::size_t filled = 0;
    while (filled < buffer.size() && stage_ != Stage::ended) {
      if (stage_ == Stage::member) {
        filled += inflate_into(buffer.subspan(filled));
      } else {
        start_member();
      }
    }
    return filled;
  }

 private:
  enum class Stage { first_header, next_header, member, ended };

  void start_member() {
    const std::optional<std::byte> byte = input_.next();
    if (!byte) {
      if (stage_ == Stage::first_header) fail("the stream is empty");
      stage_ = Stage::ended;
    } else if (*byte == std::byte{0x1f}) {
      HeaderReader(engine_, input_).read();
      inflater_->reset();
      crc_ = 0;
      size_ = 0;
      stage_ = Stage::member;
    } else if (stage_ == Stage::next_header) {
      // Padding or garbage behind the last member: ignored, as gzip(1) does, but read to the end.
      drain();
      stage_ = Stage::ended;
    } else {
      fail("not a gzip stream");
    }
  }

  std::size_t inflate_into(MutableBytes output) {
    const Bytes input = input_.peek();
    const InflateStep step = inflater_->inflate(input, output);
    input_.consume(step.consumed);
    crc_ = engine_.crc32(crc_, output.first(step.produced));
    size_ += static_cast<std::uint32_t>(step.produced);  // ISIZE counts modulo 2^32
    if (step.done) {
      input_.unread(Bytes(step.surplus).first(step.surplus_bytes));
      check_trailer();
      stage_ = Stage::next_header;
    } else if (step.produced == 0 && step.consumed == 0) {
      // A decoder only asks for more when it has used up what it was given.
      fail(input.empty() ? "the stream ends inside the compressed data"
                         : "the compressed data is damaged");
    }
    return step.produced;
  }

  void check_trailer() {
    if (next_u32() != crc_) fail("the data does not match its CRC-32");
    if (next_u32() != size_) fail("the data does not match its recorded length");
  }

  std::uint32_t next_u32() {
    std::uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 8) {
      const std::optional<std::byte> byte = input_.next();
      if (!byte) fail("the stream ends inside a member trailer");
      value |= std::to_integer<std::uint32_t>(*byte) << shift;
    }
    return value;
  }

  void drain() {
    for (Bytes bytes = input_.peek(); !bytes.empty(); bytes = input_.peek()) {
      input_.consume(bytes.size());
    }
  }

  const DeflateEngine& engine_;
  InputBuffer input_;
  std::unique_ptr<Inflater> inflater_;
  Stage stage_ = Stage::first_header;
  std::uint32_t crc_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace

std::unique_ptr<Source> gzip_source(const DeflateEngine& engine, Source& in) {
  return std::make_unique<GzipSource>(engine, in);
}

}  // namespace fastlayers::codec
