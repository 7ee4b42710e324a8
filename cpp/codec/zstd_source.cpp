#include <zstd.h>
#include <zstd_errors.h>

#include <new>
#include <string>

#include "base/error.hpp"
#include "codec/input_buffer.hpp"
#include "codec/zstd.hpp"

namespace fastlayers::codec {

namespace {

constexpr int kWindowLogMax = 27;  // 128 MiB: what the command line tool accepts by default

[[noreturn]] void fail(std::size_t result) {
  switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
      throw std::bad_alloc();
    case ZSTD_error_frameParameter_windowTooLarge:
      throw Error(ErrorKind::limit, "zstd: the frame needs a window larger than 128 MiB");
    case ZSTD_error_prefix_unknown:
      throw Error(ErrorKind::corrupt, "zstd: there is something that is not a frame");
    default:
      throw Error(ErrorKind::corrupt, std::string("zstd: ") + ZSTD_getErrorName(result));
  }
}

class ZstdSource final : public Source {
 public:
  explicit ZstdSource(Source& in) : input_(in), context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kWindowLogMax);
  }
  ~ZstdSource() override { ZSTD_freeDCtx(context_); }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

  // Fills `buffer` unless the stream ends, so that every consumer sees large pieces.
  std::size_t read(MutableBytes buffer) override {
    ZSTD_outBuffer output = {buffer.data(), buffer.size(), 0};
    while (output.pos < output.size && !ended_) decode_into(output);
    return output.pos;
  }

 private:
  void decode_into(ZSTD_outBuffer& output) {
    const Bytes bytes = input_.peek();
    if (bytes.empty() && !in_frame_) {
      if (!started_) throw Error(ErrorKind::corrupt, "zstd: the stream is empty");
      ended_ = true;
      return;
    }
    started_ = true;
    const std::size_t output_before = output.pos;
    ZSTD_inBuffer input = {bytes.data(), bytes.size(), 0};
    const std::size_t result = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(result) != 0) fail(result);
    input_.consume(input.pos);
    in_frame_ = result != 0;  // 0: a frame is complete and all of its output delivered
    // At the end of the input the decoder may still hold output; when it gives none, it waits
    // for bytes that do not exist.
    if (bytes.empty() && in_frame_ && output.pos == output_before) {
      throw Error(ErrorKind::corrupt, "zstd: the stream ends inside a frame");
    }
  }

  InputBuffer input_;
  ZSTD_DCtx* context_;
  bool started_ = false;
  bool in_frame_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Source> zstd_source(Source& in) { return std::make_unique<ZstdSource>(in); }

}  // namespace fastlayers::codec
