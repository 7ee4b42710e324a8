// gzip framing (RFC 1952) around a DeflateEngine. Used through codec.hpp; separate so that each
// engine can be chosen in tests.
#pragma once

#include <memory>

#include "codec/codec.hpp"
#include "codec/deflate_engine.hpp"

namespace fastlayers::codec {

std::unique_ptr<Source> gzip_source(const DeflateEngine& engine, Source& in);
// `engine` must have the level. Blocks are compressed on their own, each with the 32 KiB before it
// as its dictionary and ended at a byte's boundary, as pigz does.
std::unique_ptr<Encoder> gzip_encoder(const DeflateEngine& engine, int level, Sink& out,
                                      unsigned threads = 1);

}  // namespace fastlayers::codec
