// Zstandard (RFC 8878) by libzstd. Used through codec.hpp.
#pragma once

#include <memory>

#include "codec/codec.hpp"

namespace fastlayers::codec {

std::unique_ptr<Source> zstd_source(Source& in);
// Throws Error(invalid) for a level that libzstd does not have.
std::unique_ptr<Encoder> zstd_encoder(int level, Sink& out, unsigned threads = 1);

}  // namespace fastlayers::codec
