// The mount API of Linux 5.2 and later: fsopen(2), fsconfig(2), fsmount(2), move_mount(2),
// open_tree(2), mount_setattr(2), and what is needed around it.
//
// Mounts are descriptors until they are moved to a place. A mount made by fsmount(2) or
// open_tree(2) is detached: when its last descriptor is closed it is gone.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

enum class Access { read_write, read_only };

// One file system being configured. Errors carry what the kernel wrote to the context's log.
class FsContext {
 public:
  explicit FsContext(const std::string& type);

  void set_flag(const std::string& key);
  void set_string(const std::string& key, const std::string& value);
  void set_fd(const std::string& key, int fd);
  void create();                  // the superblock
  Fd mount(Access access) const;  // after create()

 private:
  void config(unsigned command, const char* key, const void* value, int aux,
              const std::string& what);
  [[noreturn]] void fail(const std::string& what, int error) const;
  std::string log() const;

  std::string type_;
  Fd fd_;
};

// A file's path as a mount option. fsconfig(2) takes at most 255 bytes, so that a longer path is
// passed as /proc/self/fd/N. The object must live until the file system is created.
class PathOption {
 public:
  explicit PathOption(const std::string& path);
  const std::string& text() const { return text_; }

 private:
  Fd fd_;
  std::string text_;
};

// Another name for an open file, as a path; valid while the descriptor is open.
std::string fd_path(int fd);

Fd clone_mount(const std::string& path);  // open_tree(2): a detached copy, without submounts
void restrict_mount(int mount_fd);        // mount_setattr(2): read-only and private
void attach_mount(int mount_fd, const std::string& target);  // follows no symlink at the end
// The topmost mount at `target`. Not a mount point: Error(invalid).
void unmount(const std::string& target, bool lazy);
void unmount_fd(int mount_fd) noexcept;  // lazily, the very mount whose root this is

// A mount namespace and working directory of this thread's own, from which nothing propagates.
void enter_private_mounts();
// The attribute by which overlayfs marks a directory that hides what is below: in a user namespace
// it is mounted with userxattr, and the mark is another (EDGE-CASES G12).
const std::string& opaque_attribute();

}  // namespace fastlayers::sys
