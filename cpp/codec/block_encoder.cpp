#include "codec/block_encoder.hpp"

#include <algorithm>
#include <cstddef>

#include "base/error.hpp"

namespace fastlayers::codec {

void BlockEncoder::write(Bytes bytes) {
  if (finished_) throw Error(ErrorKind::invalid, "write to a compressed stream that is finished");
  while (!bytes.empty()) {
    if (pending_.empty() && bytes.size() >= kBlockBytes) {
      block(bytes.first(kBlockBytes), false);
      bytes = bytes.subspan(kBlockBytes);
      continue;
    }
    if (pending_.capacity() == 0) pending_.reserve(kBlockBytes);
    const std::size_t count = std::min(bytes.size(), kBlockBytes - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(),
                    bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (pending_.size() == kBlockBytes) {
      block(pending_, false);
      pending_.clear();
    }
  }
}

void BlockEncoder::finish() {
  if (finished_) throw Error(ErrorKind::invalid, "a compressed stream can be finished only once");
  finished_ = true;
  block(pending_, true);
}

}  // namespace fastlayers::codec
