#include "sys/node.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::sys {

namespace {

bool refuses_xattr(int error) { return error == ENOTSUP || error == EPERM || error == EINVAL; }

timespec time_of(std::int64_t sec, std::uint32_t nsec) {
  timespec time{};
  time.tv_sec = sec;
  time.tv_nsec = nsec;
  return time;
}

[[noreturn]] void cannot_own(const std::string& what, unsigned uid, unsigned gid) {
  const std::string ids = std::to_string(uid) + ":" + std::to_string(gid);
  if (errno == EINVAL && !in_initial_user_namespace()) {
    throw Error(ErrorKind::unsupported, what + " belongs to " + ids + ": " + missing_ids_advice());
  }
  throw_errno("set the owner of " + what + " to " + ids);
}

}  // namespace

void make_directory_at(int dir_fd, const std::string& name, unsigned mode) {
  if (::mkdirat(dir_fd, name.c_str(), mode) != 0) throw_errno("create directory " + name);
}

void make_symlink_at(int dir_fd, const std::string& name, const std::string& target) {
  if (::symlinkat(target.c_str(), dir_fd, name.c_str()) != 0) throw_errno("create symlink " + name);
}

void make_node_at(int dir_fd, const std::string& name, unsigned type, unsigned major,
                  unsigned minor) {
  if (::mknodat(dir_fd, name.c_str(), type | 0600, makedev(major, minor)) != 0) {
    throw_errno("create " + name);
  }
}

void rename_at(int dir_fd, const std::string& from, const std::string& to) {
  if (::renameat(dir_fd, from.c_str(), dir_fd, to.c_str()) != 0) throw_errno("replace " + to);
}

void try_unlink_at(int dir_fd, const std::string& name) noexcept {
  ::unlinkat(dir_fd, name.c_str(), 0);
}

void make_link_at(int from_dir, const std::string& from, int to_dir, const std::string& to) {
  if (::linkat(from_dir, from.c_str(), to_dir, to.c_str(), 0) != 0) {
    throw_errno("link " + from + " as " + to);
  }
}

void set_owner_at(int dir_fd, const std::string& name, unsigned uid, unsigned gid) {
  if (has_single_id()) return;
  if (::fchownat(dir_fd, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    cannot_own(name, uid, gid);
  }
}

void set_mode_at(int dir_fd, const std::string& name, unsigned mode) {
  // fchmodat(2) follows a symlink that has come into its place meanwhile; a descriptor does not.
  const Fd node = open_at(dir_fd, name, O_PATH);
  const std::string path = fd_path(node.get());
  if (::fchmodat(AT_FDCWD, path.c_str(), mode, 0) != 0) throw_errno("set the mode of " + name);
}

void set_mtime_at(int dir_fd, const std::string& name, std::int64_t sec, std::uint32_t nsec) {
  const timespec times[2] = {time_of(sec, nsec), time_of(sec, nsec)};
  if (::utimensat(dir_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw_errno("set the time of " + name);
  }
}

bool set_xattr_at(int dir_fd, const std::string& name, const std::string& key,
                  std::string_view value) {
  const std::string path = "/proc/self/fd/" + std::to_string(dir_fd) + "/" + name;
  if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) == 0) return true;
  if (refuses_xattr(errno)) return false;
  throw_errno("set " + key + " of " + name);
}

void set_owner(int fd, unsigned uid, unsigned gid) {
  if (has_single_id()) return;
  if (::fchown(fd, uid, gid) != 0) {
    cannot_own("it", uid, gid);
  }
}

void set_mode(int fd, unsigned mode) {
  if (::fchmod(fd, mode) != 0) throw_errno("set the mode");
}

void set_mtime(int fd, std::int64_t sec, std::uint32_t nsec) {
  const timespec times[2] = {time_of(sec, nsec), time_of(sec, nsec)};
  if (::futimens(fd, times) != 0) throw_errno("set the time");
}

bool set_xattr(int fd, const std::string& key, std::string_view value) {
  if (::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) == 0) return true;
  if (refuses_xattr(errno)) return false;
  throw_errno("set " + key);
}

unsigned device_major(const struct stat& status) { return major(status.st_rdev); }
unsigned device_minor(const struct stat& status) { return minor(status.st_rdev); }

void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t length) {
  while (length > 0) {
    auto source = static_cast<off64_t>(from_offset);
    const ssize_t count =
        ::copy_file_range(from, &source, to, nullptr, std::min<std::uint64_t>(length, 1 << 30), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EXDEV && errno != ENOSYS && errno != EOPNOTSUPP && errno != EINVAL) {
      throw_errno("copy file data");
    }
    if (count > 0) {
      from_offset += static_cast<std::uint64_t>(count);
      length -= static_cast<std::uint64_t>(count);
      continue;
    }
    // The two file systems cannot do it among themselves.
    std::byte buffer[65536];
    const std::size_t want = std::min<std::uint64_t>(length, sizeof(buffer));
    const std::size_t got = read_at(from, {buffer, want}, from_offset);
    if (got == 0) throw Error(ErrorKind::corrupt, "the file ends too early");
    write_all(to, {buffer, got});
    from_offset += got;
    length -= got;
  }
}

bool next_data(int fd, std::uint64_t size, std::uint64_t& offset, std::uint64_t& length) {
  if (offset >= size) return false;
  const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    if (errno == ENXIO) return false;  // a hole to the end
    if (errno != EINVAL) throw_errno("find file data");
    length = size - offset;
    return true;
  }
  const off_t hole = ::lseek(fd, data, SEEK_HOLE);
  if (hole < 0) throw_errno("find file data");
  offset = static_cast<std::uint64_t>(data);
  if (offset >= size) return false;
  length = std::min(size, static_cast<std::uint64_t>(hole)) - offset;
  return true;
}

}  // namespace fastlayers::sys
