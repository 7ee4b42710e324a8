// BlobStore: verified bytes under ROOT/blobs/sha256/<hex> (OCI image-layout, "Blobs").
//
// A blob appears under its name only when digest and size have been verified and the bytes
// are on disk. Nothing ever changes a blob. Any thread, any process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/io.hpp"
#include "digest/sha256.hpp"
#include "sys/file.hpp"

namespace fastlayers::blob {

// A blob being written: nameless until publish(). Dropped without a trace otherwise, but for one
// from BlobStore::partial().
class BlobWriter : public Sink {
 public:
  explicit BlobWriter(const std::string& directory);
  explicit BlobWriter(sys::TemporaryFile file) : file_(std::move(file)) {}
  BlobWriter(BlobWriter&&) noexcept = default;
  BlobWriter& operator=(BlobWriter&&) = delete;

  void write(Bytes bytes) override;
  // Leaves `count` bytes of zeros without allocating them.
  void skip_zeros(std::uint64_t count);
  // Leaves `count` bytes as an earlier try has written them.
  void skip_written(std::uint64_t count) { size_ += count; }
  // What was written is not worth keeping.
  void discard() { file_.stays = false; }
  std::uint64_t size() const { return size_; }
  int fd() const { return file_.fd.get(); }
  void flush();  // sets the length; needed after skip_zeros and before reading through fd()

 private:
  friend class BlobStore;
  sys::TemporaryFile file_;
  std::uint64_t size_ = 0;
  std::uint64_t begun_ = 0;  // what the kernel was told to write to the disk
  bool hole_at_end_ = false;
};

class BlobStore {
 public:
  // Creates the layout (oci-layout, blobs/sha256) when it is not there.
  explicit BlobStore(std::string root);

  const std::string& root() const { return root_; }
  // Where blobs lie, and where what may become one is begun.
  const std::string& directory() const { return directory_; }
  std::string path(const digest::Hash256& hash) const;
  bool has(const digest::Hash256& hash) const;
  sys::Fd open(const digest::Hash256& hash) const;  // not_found if it is not there

  BlobWriter writer() const;
  // One for a blob that is fetched and may break off: what was written lies in ROOT/partial/<hex>
  // for a later try, also if this process dies. Nothing if another process writes it.
  std::optional<BlobWriter> partial(const digest::Hash256& hash) const;
  // The bytes must already be on disk (sync()); `hash` is their SHA-256.
  void publish(BlobWriter& writer, const digest::Hash256& hash) const;
  // The same of bytes that are not on disk yet; they and the name are when this returns.
  void sync_and_publish(BlobWriter& writer, const digest::Hash256& hash) const;
  void sync() const;  // one syncfs for everything written so far

  digest::Digest put(Bytes bytes) const;
  // Reads and verifies; longer than `limit_bytes` is Error(limit).
  std::string read(const digest::Digest& digest, std::uint64_t limit_bytes) const;

 private:
  bool is_intact(const digest::Digest& digest, std::uint64_t size) const;

  std::string root_;
  std::string directory_;
};

}  // namespace fastlayers::blob
