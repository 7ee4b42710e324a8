#include "sys/mount_api.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::sys {

namespace {

// <sys/mount.h> has these but cannot be included together with <linux/mount.h>.
constexpr int kDetach = 2;          // MNT_DETACH
constexpr int kNoFollowLink = 8;    // UMOUNT_NOFOLLOW
constexpr unsigned kSetString = 1;  // enum fsconfig_command
constexpr unsigned kSetFlag = 0;
constexpr unsigned kSetFd = 5;
constexpr unsigned kCreate = 6;
constexpr std::size_t kMaxOption = 255;

long mount_syscall(const char* source, const char* target, unsigned long flags) {
  return ::syscall(SYS_mount, source, target, nullptr, flags, nullptr);
}

}  // namespace

FsContext::FsContext(const std::string& type) : type_(type) {
  fd_ = Fd(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (fd_) return;
  if (errno == ENODEV) {
    throw Error(ErrorKind::unsupported, "this kernel has no file system " + type, errno);
  }
  if (errno == ENOSYS) {
    throw Error(ErrorKind::unsupported, "this kernel has no fsopen(2); Linux 5.2 is needed", errno);
  }
  throw_errno("open a context for file system " + type);
}

void FsContext::set_flag(const std::string& key) {
  config(kSetFlag, key.c_str(), nullptr, 0, "option " + key);
}

void FsContext::set_string(const std::string& key, const std::string& value) {
  config(kSetString, key.c_str(), value.c_str(), 0, "option " + key + "=" + value);
}

void FsContext::set_fd(const std::string& key, int fd) {
  config(kSetFd, key.c_str(), nullptr, fd, "option " + key);
}

void FsContext::create() { config(kCreate, nullptr, nullptr, 0, "mount"); }

Fd FsContext::mount(Access access) const {
  const unsigned attributes = access == Access::read_only ? MOUNT_ATTR_RDONLY : 0;
  Fd mount(static_cast<int>(::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, attributes)));
  if (!mount) fail("mount", errno);
  return mount;
}

void FsContext::config(unsigned command, const char* key, const void* value, int aux,
                       const std::string& what) {
  if (::syscall(SYS_fsconfig, fd_.get(), command, key, value, aux) != 0) fail(what, errno);
}

void FsContext::fail(const std::string& what, int error) const {
  std::string message = type_ + ": " + what + ": " + std::generic_category().message(error);
  if (const std::string lines = log(); !lines.empty()) message += " (" + lines + ")";
  throw Error(ErrorKind::system, std::move(message), error);
}

// The kernel's log of this context: one message a read, "e ", "w " or "i " in front.
std::string FsContext::log() const {
  std::string lines;
  char buffer[1024];
  for (;;) {
    const auto length = ::read(fd_.get(), buffer, sizeof(buffer));
    if (length <= 0) return lines;
    std::string_view line(buffer, static_cast<std::size_t>(length));
    while (line.ends_with('\n')) line.remove_suffix(1);
    if (line.size() > 2 && line[1] == ' ') line.remove_prefix(2);
    if (!lines.empty()) lines += "; ";
    lines += line;
  }
}

PathOption::PathOption(const std::string& path) : text_(path) {
  if (path.size() <= kMaxOption) return;
  fd_ = open(path, O_PATH);
  text_ = fd_path(fd_.get());
}

std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

Fd clone_mount(const std::string& path) {
  Fd mount(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!mount) throw_errno("bind " + path);
  return mount;
}

void restrict_mount(int mount_fd) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  if (::syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) !=
      0) {
    throw_errno("make a mount read-only");
  }
}

void attach_mount(int mount_fd, const std::string& target) {
  if (::syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) !=
      0) {
    throw_errno("mount on " + target);
  }
}

void unmount(const std::string& target, bool lazy) {
  if (::syscall(SYS_umount2, target.c_str(), kNoFollowLink | (lazy ? kDetach : 0)) == 0) return;
  if (errno == EINVAL) {
    throw Error(ErrorKind::invalid, "unmount " + target + ": it is not a mount point", errno);
  }
  throw_errno("unmount " + target);
}

void unmount_fd(int mount_fd) noexcept {
  // Through the link in /proc, which leads to this mount whatever lies on top of it.
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
  ::syscall(SYS_umount2, path, kDetach);
}

void enter_private_mounts() {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) throw_errno("enter a mount namespace");
  if (mount_syscall(nullptr, "/", MS_REC | MS_PRIVATE) != 0) {
    throw_errno("make the mounts of this namespace private");
  }
}

const std::string& opaque_attribute() {
  static const std::string trusted = "trusted.overlay.opaque";
  static const std::string user = "user.overlay.opaque";
  return in_initial_user_namespace() ? trusted : user;
}

}  // namespace fastlayers::sys
