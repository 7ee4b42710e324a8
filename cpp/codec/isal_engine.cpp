#include "codec/deflate_engine.hpp"

#ifdef FASTLAYERS_HAVE_ISAL

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "sys/library.hpp"

namespace fastlayers::codec {

namespace {

constexpr std::size_t kOutputBytes = 256 * 1024;
constexpr std::size_t kLargestPiece = std::size_t{1} << 30;  // ISA-L counts in 32 bits

// Loaded at the first use: commands that inflate nothing do not wait for it.
struct Isal {
  Isal()
      : library("libisal.so.2"),
        inflate_init(library.function<decltype(isal_inflate_init)>("isal_inflate_init")),
        inflate(library.function<decltype(isal_inflate)>("isal_inflate")),
        deflate_init(library.function<decltype(isal_deflate_init)>("isal_deflate_init")),
        deflate(library.function<decltype(isal_deflate)>("isal_deflate")),
        deflate_set_dict(
            library.function<decltype(isal_deflate_set_dict)>("isal_deflate_set_dict")),
        crc32(library.function<decltype(crc32_gzip_refl)>("crc32_gzip_refl")) {}

  bool complete() const {
    return inflate_init != nullptr && inflate != nullptr && deflate_init != nullptr &&
           deflate != nullptr && deflate_set_dict != nullptr && crc32 != nullptr;
  }

  sys::Library library;
  decltype(isal_inflate_init)* inflate_init;
  decltype(isal_inflate)* inflate;
  decltype(isal_deflate_init)* deflate_init;
  decltype(isal_deflate)* deflate;
  decltype(isal_deflate_set_dict)* deflate_set_dict;
  decltype(crc32_gzip_refl)* crc32;
};

const Isal& isal() {
  static const Isal library;
  return library;
}

std::uint8_t* unconst(Bytes bytes) {
  // ISA-L's structures have no const pointers; it does not write through these.
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

const char* describe(int result) {
  switch (result) {
    case ISAL_INVALID_BLOCK:
      return "invalid block";
    case ISAL_INVALID_SYMBOL:
      return "invalid symbol";
    case ISAL_INVALID_LOOKBACK:
      return "reference to bytes before the start";
    default:
      return "invalid data";
  }
}

class IsalInflater final : public Inflater {
 public:
  IsalInflater() : state_(std::make_unique<inflate_state>()) { reset(); }

  void reset() override {
    isal().inflate_init(state_.get());
    state_->crc_flag = ISAL_DEFLATE;  // framing and checksum are the caller's
  }

  InflateStep inflate(Bytes input, MutableBytes output) override {
    input = input.first(std::min(input.size(), kLargestPiece));
    output = output.first(std::min(output.size(), kLargestPiece));
    state_->next_in = unconst(input);
    state_->avail_in = static_cast<std::uint32_t>(input.size());
    state_->next_out = reinterpret_cast<std::uint8_t*>(output.data());
    state_->avail_out = static_cast<std::uint32_t>(output.size());
    const int result = isal().inflate(state_.get());
    if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT && result != ISAL_OUT_OVERFLOW) {
      throw Error(ErrorKind::corrupt,
                  std::string("the compressed data is damaged: ") + describe(result));
    }
    InflateStep step;
    step.consumed = input.size() - state_->avail_in;
    step.produced = output.size() - state_->avail_out;
    step.done = state_->block_state == ISAL_BLOCK_FINISH;
    if (step.done) take_surplus(step);
    return step;
  }

 private:
  // The bit reader loads whole bytes ahead; what lies behind the last block is still in it.
  void take_surplus(InflateStep& step) const {
    if (state_->read_in_length <= 0) return;
    const auto bits = static_cast<unsigned>(state_->read_in_length);
    std::uint64_t rest = state_->read_in >> (bits % 8);
    step.surplus_bytes = std::min<std::size_t>(bits / 8, step.surplus.size());
    for (std::size_t i = 0; i < step.surplus_bytes; ++i, rest >>= 8) {
      step.surplus[i] = static_cast<std::byte>(rest & 0xff);
    }
  }

  std::unique_ptr<inflate_state> state_;
};

std::uint32_t level_bytes(int level) {
  switch (level) {
    case 1:
      return ISAL_DEF_LVL1_DEFAULT;
    case 2:
      return ISAL_DEF_LVL2_DEFAULT;
    default:
      return ISAL_DEF_LVL3_DEFAULT;
  }
}

class IsalDeflater final : public Deflater {
 public:
  explicit IsalDeflater(int level)
      : level_(level),
        stream_(std::make_unique<isal_zstream>()),
        level_storage_(level_bytes(level)),
        output_(kOutputBytes) {}

  void deflate(Bytes dictionary, Bytes block, bool last, Sink& out) override {
    isal().deflate_init(stream_.get());
    stream_->level = static_cast<std::uint32_t>(level_);
    stream_->level_buf = level_storage_.data();
    stream_->level_buf_size = static_cast<std::uint32_t>(level_storage_.size());
    stream_->gzip_flag = IGZIP_DEFLATE;
    stream_->flush = SYNC_FLUSH;
    if (!dictionary.empty()) {
      isal().deflate_set_dict(stream_.get(), unconst(dictionary),
                              static_cast<std::uint32_t>(dictionary.size()));
    }
    stream_->next_in = unconst(block);
    stream_->avail_in = static_cast<std::uint32_t>(block.size());
    stream_->end_of_stream = last ? 1 : 0;
    do {
      stream_->next_out = output_.data();
      stream_->avail_out = static_cast<std::uint32_t>(output_.size());
      const int result = isal().deflate(stream_.get());
      if (result != COMP_OK) {
        throw Error(ErrorKind::invalid, "ISA-L cannot compress: code " + std::to_string(result));
      }
      out.write(std::as_bytes(std::span(output_)).first(output_.size() - stream_->avail_out));
    } while (stream_->avail_out == 0 || stream_->avail_in > 0);
  }

 private:
  int level_;
  std::unique_ptr<isal_zstream> stream_;
  std::vector<std::uint8_t> level_storage_;
  std::vector<std::uint8_t> output_;
};

class IsalEngine final : public DeflateEngine {
 public:
  std::unique_ptr<Inflater> make_inflater() const override {
    return std::make_unique<IsalInflater>();
  }
  bool has_level(int level) const override { return level >= 1 && level <= 3; }
  std::unique_ptr<Deflater> make_deflater(int level) const override {
    return std::make_unique<IsalDeflater>(level);
  }
  std::uint32_t crc32(std::uint32_t crc, Bytes bytes) const override {
    return isal().crc32(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
};

}  // namespace

const DeflateEngine* isal_engine() {
  static const IsalEngine engine;
  return isal().complete() ? &engine : nullptr;
}

}  // namespace fastlayers::codec

#else

namespace fastlayers::codec {

const DeflateEngine* isal_engine() { return nullptr; }

}  // namespace fastlayers::codec

#endif
