#include "sys/mount_point.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstdint>

#include "base/error.hpp"

namespace fastlayers::sys {

static_assert(kReadOnly == MOUNT_ATTR_RDONLY && kNoSuid == MOUNT_ATTR_NOSUID &&
              kNoDevices == MOUNT_ATTR_NODEV && kNoExecute == MOUNT_ATTR_NOEXEC);

Fd clone_mount_at(int dir_fd, const std::string& name, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW |
                         (name.empty() ? AT_EMPTY_PATH : 0) | (recursive ? AT_RECURSIVE : 0);
  Fd mount(::open_tree(dir_fd, name.c_str(), flags));
  if (!mount) throw_errno("bind " + (name.empty() ? std::string("an open file") : name));
  return mount;
}

void add_mount_flags(int mount_fd, unsigned flags, bool recursive) {
  mount_attr attributes{};
  attributes.attr_set = flags;
  const unsigned at = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (::mount_setattr(mount_fd, "", at, &attributes, sizeof(attributes)) != 0) {
    throw_errno("restrict a mount");
  }
}

void attach_mount_at(int mount_fd, int dir_fd, const std::string& name) {
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (name.empty() ? MOVE_MOUNT_T_EMPTY_PATH : 0);
  if (::move_mount(mount_fd, "", dir_fd, name.c_str(), flags) != 0) {
    throw_errno("mount on " + (name.empty() ? std::string("an open directory") : name));
  }
}

bool is_mount_point(int dir_fd, const std::string& name) {
  struct statx status {};
  if (::statx(dir_fd, name.c_str(), AT_SYMLINK_NOFOLLOW, 0, &status) != 0) {
    throw_errno("look at " + name);
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool is_on_proc(int fd) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) throw_errno("statfs");
  return status.f_type == PROC_SUPER_MAGIC;
}

}  // namespace fastlayers::sys
