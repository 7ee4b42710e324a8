#include "blob/blob_store.hpp"

#include "base/error.hpp"
#include "base/profile.hpp"

namespace fastlayers::blob {

namespace {

constexpr std::uint64_t kWritebackBytes = std::uint64_t{16} << 20;
constexpr std::string_view kLayoutFile = "{\"imageLayoutVersion\":\"1.0.0\"}";

}  // namespace

BlobWriter::BlobWriter(const std::string& directory) : file_(sys::create_temporary(directory)) {}

void BlobWriter::write(Bytes bytes) {
  const ProfileTimer timer(ProfilePart::write, bytes.size());
  sys::write_all_at(file_.fd.get(), bytes, size_);
  size_ += bytes.size();
  hole_at_end_ = false;
  // A disk that begins at once has less to do when all waits for it.
  if (size_ - begun_ >= kWritebackBytes) {
    sys::start_writeback(file_.fd.get(), begun_, size_ - begun_);
    begun_ = size_;
  }
}

void BlobWriter::skip_zeros(std::uint64_t count) {
  size_ += count;
  hole_at_end_ = true;
}

void BlobWriter::flush() {
  if (hole_at_end_) sys::truncate(file_.fd.get(), size_);
  hole_at_end_ = false;
}

BlobStore::BlobStore(std::string root)
    : root_(std::move(root)), directory_(root_ + "/blobs/sha256") {
  if (sys::exists(root_ + "/oci-layout") && sys::exists(directory_)) return;
  sys::make_dirs(directory_, 0755);
  sys::write_file_atomic(root_ + "/oci-layout", as_bytes(kLayoutFile));
}

std::string BlobStore::path(const digest::Hash256& hash) const {
  return directory_ + "/" + digest::to_hex(hash);
}

bool BlobStore::has(const digest::Hash256& hash) const { return sys::exists(path(hash)); }

sys::Fd BlobStore::open(const digest::Hash256& hash) const {
  auto fd = sys::try_open(path(hash), O_RDONLY);
  if (!fd) {
    throw Error(ErrorKind::not_found,
                "blob sha256:" + digest::to_hex(hash) + " is not in the store " + root_);
  }
  return std::move(*fd);
}

BlobWriter BlobStore::writer() const { return BlobWriter(directory_); }

std::optional<BlobWriter> BlobStore::partial(const digest::Hash256& hash) const {
  sys::make_dirs(root_ + "/partial", 0700);
  auto file = sys::open_locked(root_ + "/partial/" + digest::to_hex(hash));
  if (!file) return std::nullopt;
  return BlobWriter(std::move(*file));
}

void BlobStore::publish(BlobWriter& writer, const digest::Hash256& hash) const {
  writer.flush();
  sys::link_file(writer.file_, path(hash));
}

void BlobStore::sync_and_publish(BlobWriter& writer, const digest::Hash256& hash) const {
  sys::sync_file(writer.fd());
  publish(writer, hash);
  sys::sync_dir(directory_);
}

void BlobStore::sync() const {
  const sys::Fd directory = sys::open(directory_, O_RDONLY | O_DIRECTORY);
  sys::sync_file_system(directory.get());
}

// Of a small blob; one that is damaged is written again.
bool BlobStore::is_intact(const digest::Digest& digest, std::uint64_t size) const {
  try {
    return read(digest, size).size() == size;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::digest_mismatch && error.kind() != ErrorKind::limit) throw;
    return false;
  }
}

digest::Digest BlobStore::put(Bytes bytes) const {
  const ProfileTimer timer(ProfilePart::document, bytes.size());
  const digest::Digest digest{digest::sha256(bytes)};
  if (has(digest.hash) && is_intact(digest, bytes.size())) return digest;
  BlobWriter out = writer();
  out.write(bytes);
  sync_and_publish(out, digest.hash);
  return digest;
}

std::string BlobStore::read(const digest::Digest& digest, std::uint64_t limit_bytes) const {
  ProfileTimer timer(ProfilePart::document);
  const sys::Fd file = open(digest.hash);
  const std::uint64_t size = sys::file_size(file.get());
  if (size > limit_bytes) {
    throw Error(ErrorKind::limit, "blob " + digest.str() + " is longer than " +
                                      std::to_string(limit_bytes) + " bytes");
  }
  timer.add_bytes(size);
  std::string text(size, '\0');
  sys::read_at(file.get(), std::as_writable_bytes(std::span(text)), 0);
  if (digest::sha256(as_bytes(text)) != digest.hash) {
    throw Error(ErrorKind::digest_mismatch,
                "blob " + digest.str() + " is damaged; pull or load its image again");
  }
  return text;
}

}  // namespace fastlayers::blob
