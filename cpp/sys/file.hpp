// Files, directories and extended attributes, relative to descriptors.
//
// Every function throws Error (kind system, with the path in the message) unless its name
// begins with try_. No function follows a symlink in the last component unless it says so.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/io.hpp"
#include "sys/fd.hpp"

namespace fastlayers::sys {

// open(2) of a path of our own (the store); O_CLOEXEC is always added. Follows symlinks.
Fd open(const std::string& path, int flags, unsigned mode = 0);
Fd open_at(int dir_fd, const std::string& path, int flags, unsigned mode = 0);  // O_NOFOLLOW added
std::optional<Fd> try_open(const std::string& path, int flags);

// A file without a name in the folder `directory`: it vanishes with its descriptor unless
// link_file() gives it one. Where O_TMPFILE is not supported it has a name until then.
struct TemporaryFile {
  TemporaryFile() = default;
  TemporaryFile(Fd file, std::string path) : fd(std::move(file)), name(std::move(path)) {}
  TemporaryFile(TemporaryFile&& other) noexcept
      : fd(std::move(other.fd)), name(std::exchange(other.name, {})), stays(other.stays) {}
  TemporaryFile& operator=(TemporaryFile&& other) noexcept {
    std::swap(fd, other.fd);
    std::swap(name, other.name);
    std::swap(stays, other.stays);
    return *this;
  }
  ~TemporaryFile();

  Fd fd;
  std::string name;    // empty: unnamed
  bool stays = false;  // its name does not vanish with this object
};
TemporaryFile create_temporary(const std::string& directory);
// A file with a name, made if it is not there, for which this process has the lock (flock(2)) until
// it is closed; nothing if another has it.
std::optional<TemporaryFile> open_locked(const std::string& path);
// Gives the file its final path, in one step. What is there already is replaced: it should be the
// same, and if it is damaged it is so no longer.
void link_file(TemporaryFile& file, const std::string& path);
std::string unique_name(const std::string& prefix);  // prefix, process id and a counter

// openat2(2) with RESOLVE_IN_ROOT: symlinks and ".." are resolved inside `root_fd`, whatever
// they say. The only way to open a path that came from an image.
Fd open_in_root(int root_fd, const std::string& path, int flags, unsigned mode = 0);
std::optional<Fd> try_open_in_root(int root_fd, const std::string& path, int flags,
                                   unsigned mode = 0);

void make_dirs(const std::string& path, unsigned mode);  // mkdir -p of a path of our own
// rm -rf of a directory and all below it; one that is not there is fine. Follows nothing, and does
// not go into other file systems: a mount in it is Error(conflict).
void remove_tree(const std::string& path);
bool exists(const std::string& path);
bool is_directory(const std::string& path);  // symlinks are followed
void rename(const std::string& from, const std::string& to);
bool try_rename(const std::string& from, const std::string& to);  // false: target exists
// Two names of one file system change places in one step. Error(unsupported) where they cannot.
void exchange(const std::string& one, const std::string& other);
void unlink(const std::string& path);  // absent is fine
void change_directory(const std::string& path);
void seek(int fd, std::uint64_t off);
void truncate(int fd, std::uint64_t size);
void sync_file(int fd);
void sync_file_system(int fd);  // syncfs(2)
// Has the kernel begin to write a part of a file to the disk; does not wait. A hint: that it cannot
// is no error.
void start_writeback(int fd, std::uint64_t off, std::uint64_t bytes);
void sync_dir(const std::string& path);

std::size_t read_some(int fd, MutableBytes buffer);                   // 0 = end; retries EINTR
std::size_t read_at(int fd, MutableBytes buffer, std::uint64_t off);  // reads until full or end
void write_all(int fd, Bytes bytes);
void write_all_at(int fd, Bytes bytes, std::uint64_t off);
std::string read_file(const std::string& path, std::uint64_t limit_bytes);
// Temporary file, fsync, rename, fsync of the folder.
void write_file_atomic(const std::string& path, Bytes bytes, unsigned mode = 0644);
std::uint64_t file_size(int fd);

struct stat stat_fd(int fd);
struct stat stat_at(int dir_fd, const std::string& name);
std::optional<struct stat> try_stat_at(int dir_fd, const std::string& name);
std::vector<std::string> list_dir(int dir_fd);  // names without "." and "..", sorted by bytes
std::string read_link_at(int dir_fd, const std::string& name);

// Extended attributes of a file that is open (also of an O_PATH descriptor).
std::vector<std::pair<std::string, std::string>> list_xattrs(int fd);
std::optional<std::string> get_xattr(int fd, const std::string& name);

// A read-only mapping of a whole file; empty files map to an empty span.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(int fd);
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)),
        length_(std::exchange(other.length_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(length_, other.length_);
    return *this;
  }
  ~Mapping();
  // A new file's first `bytes` bytes, zero at first, for writing. Their room on the disk is taken
  // beforehand: what a full disk refuses is an error here, not a signal later.
  static Mapping writable(int fd, std::uint64_t bytes);
  // Memory that goes back to the system as a whole, which the heap's does not always.
  static Mapping anonymous(std::size_t bytes);

  Bytes bytes() const { return {static_cast<const std::byte*>(address_), length_}; }
  MutableBytes mutable_bytes() { return {static_cast<std::byte*>(address_), length_}; }
  // Lets go of the pages touched so far; they stay in the page cache, and come back when touched.
  // What streams through a large file calls it now and then, and stays small.
  void release_pages() const noexcept;
  // Hands over everything from `offset` on, a few MiB at a time, each let go of afterwards.
  template <class Work>
  void for_each_piece(std::size_t offset, Work work) const {
    for (Bytes rest = bytes().subspan(offset); !rest.empty();) {
      const Bytes piece = rest.first(std::min(rest.size(), kPieceBytes));
      work(piece);
      release_pages();
      rest = rest.subspan(piece.size());
    }
  }

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

  void* address_ = nullptr;
  std::size_t length_ = 0;
};

// flock(2) on a lock file that is created when missing; released on destruction.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  FileLock(const std::string& path, Mode mode);
  static std::optional<FileLock> try_lock(const std::string& path, Mode mode);
  int fd() const { return fd_.get(); }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace fastlayers::sys
