#include <zstd.h>

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "codec/block_encoder.hpp"
#include "codec/zstd.hpp"

namespace fastlayers::codec {

namespace {

class ZstdEncoder final : public BlockEncoder {
 public:
  ZstdEncoder(int level, Sink& out, unsigned threads)
      : context_(ZSTD_createCCtx()), output_(ZSTD_CStreamOutSize()), out_(out) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    // Never none: what workers write is the same for any number of them, and differs from what is
    // written without them. (A libzstd without threads refuses this, and then writes the latter.)
    ZSTD_CCtx_setParameter(context_, ZSTD_c_nbWorkers, static_cast<int>(std::max(1U, threads)));
  }
  ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }
  ZstdEncoder(const ZstdEncoder&) = delete;
  ZstdEncoder& operator=(const ZstdEncoder&) = delete;

 private:
  void block(Bytes bytes, bool last) override {
    ZSTD_inBuffer input = {bytes.data(), bytes.size(), 0};
    std::size_t left = 0;
    do {
      ZSTD_outBuffer output = {output_.data(), output_.size(), 0};
      left = ZSTD_compressStream2(context_, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0) {
        throw Error(ErrorKind::invalid, std::string("zstd: ") + ZSTD_getErrorName(left));
      }
      out_.write(Bytes(output_).first(output.pos));
    } while (last ? left != 0 : input.pos < input.size);
  }

  ZSTD_CCtx* context_;
  std::vector<std::byte> output_;
  Sink& out_;
};

}  // namespace

std::unique_ptr<Encoder> zstd_encoder(int level, Sink& out, unsigned threads) {
  if (level < 1 || level > ZSTD_maxCLevel()) {
    throw Error(ErrorKind::invalid, "zstd has the levels 1 to " + std::to_string(ZSTD_maxCLevel()) +
                                        ", not " + std::to_string(level));
  }
  return std::make_unique<ZstdEncoder>(level, out, threads);
}

}  // namespace fastlayers::codec
