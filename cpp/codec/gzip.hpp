// gzip framing (RFC 1952) around a DeflateEngine. Used through codec.hpp; separate so that each
// engine can be chosen in tests.
#pragma once

#include <memory>

#include "codec/codec.hpp"
#include "codec/deflate_engine.hpp"

namespace fastlayers::codec {

std::unique_ptr<Source> gzip_source(const DeflateEngine& engine, Source& in);
// `engine` must have the level.
std::unique_ptr<Encoder> gzip_encoder(const DeflateEngine& engine, int level, Sink& out);

}  // namespace fastlayers::codec
