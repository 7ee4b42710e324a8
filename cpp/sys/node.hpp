// Creating the entries of a tree and giving them their attributes, relative to a descriptor of
// the directory. Nothing here ever follows a symlink. Throws Error with the name.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/fd.hpp"

namespace fastlayers::sys {

void make_directory_at(int dir_fd, const std::string& name, unsigned mode);
void make_symlink_at(int dir_fd, const std::string& name, const std::string& target);
// `type` is S_IFCHR, S_IFBLK, S_IFIFO or S_IFREG; major 0 and minor 0 with S_IFCHR is overlay's
// whiteout.
void make_node_at(int dir_fd, const std::string& name, unsigned type, unsigned major,
                  unsigned minor);
void make_link_at(int from_dir, const std::string& from, int to_dir, const std::string& to);
void rename_at(int dir_fd, const std::string& from, const std::string& to);  // what is there goes
void try_unlink_at(int dir_fd, const std::string& name) noexcept;

// In the order that keeps setuid bits and capabilities: owner, then xattrs, then mode, then times.
void set_owner_at(int dir_fd, const std::string& name, unsigned uid, unsigned gid);
void set_mode_at(int dir_fd, const std::string& name, unsigned mode);  // never on a symlink
void set_mtime_at(int dir_fd, const std::string& name, std::int64_t sec, std::uint32_t nsec);
// False where the file system or the type of file does not take that attribute.
bool set_xattr_at(int dir_fd, const std::string& name, const std::string& key,
                  std::string_view value);

void set_owner(int fd, unsigned uid, unsigned gid);
void set_mode(int fd, unsigned mode);
void set_mtime(int fd, std::int64_t sec, std::uint32_t nsec);
bool set_xattr(int fd, const std::string& key, std::string_view value);

unsigned device_major(const struct stat& status);
unsigned device_minor(const struct stat& status);

// Copies `length` bytes inside the kernel; a source that ends early is Error(corrupt).
void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t length);

// Calls `run(offset, length)` for every run of data in a file, in order; holes are between them.
template <class Run>
void for_each_data(int fd, std::uint64_t size, Run run);
bool next_data(int fd, std::uint64_t size, std::uint64_t& offset, std::uint64_t& length);

template <class Run>
void for_each_data(int fd, std::uint64_t size, Run run) {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  while (next_data(fd, size, offset, length)) {
    run(offset, length);
    offset += length;
  }
}

}  // namespace fastlayers::sys
