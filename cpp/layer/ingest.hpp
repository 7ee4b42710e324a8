// Ingest: one layer blob on its way into the store, the same for every source.
//
//   caller ──chunks──▶ inflate thread ──chunks──▶ keeper thread
//   hash and keep the blob as it came             hash and keep the tar, write the table
//
// Inflating is the longest of the stages, so nothing else is done on its thread. A plain tar goes
// straight to the keeper, and the caller writes it.
//
// Nothing is visible in the store before finish() returns: both files are nameless (or the blob's
// is in partial/) until digest, size and diff_id have been verified and everything is on disk (one
// syncfs). Memory is a fixed
// number of chunks. The calling thread may differ from call to call but calls must not overlap.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "layer/layer_store.hpp"

namespace fastlayers::layer {

struct Expected {
  std::optional<digest::Digest> digest;
  std::optional<std::uint64_t> size;
  std::optional<digest::DiffId> diff_id;
};

class Ingest {
 public:
  // `partial`: what has arrived of the blob stays if the ingest is given up or this process dies.
  Ingest(const std::string& root, const Expected& expected, bool partial = false);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  // Takes what an earlier try has left of the blob; returns how many bytes of it that is, from
  // which on they are to be written. `between` as in ingest_fd().
  std::uint64_t resume(const std::function<void(std::uint64_t)>& between = {});
  void write(Bytes bytes);
  // Without copying: fill some of space(), then say how much.
  MutableBytes space();
  void advance(std::size_t count);

  LayerInfo finish();
  // Idempotent; the destructor does it too. `discard`: what has arrived is wrong and does not stay.
  void abort(bool discard = false);

 private:
  struct Pipeline;
  std::unique_ptr<Pipeline> pipeline_;
};

// Feeds `size` bytes from `offset` of a file, or everything that read(2) yields if neither is
// given. `between` is told every few MiB how many bytes were taken, and may throw to give up.
LayerInfo ingest_fd(const std::string& root, const Expected& expected, int fd,
                    std::optional<std::uint64_t> offset, std::optional<std::uint64_t> size,
                    const std::function<void(std::uint64_t)>& between = {});

}  // namespace fastlayers::layer
