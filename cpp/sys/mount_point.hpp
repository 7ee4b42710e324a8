// Mounts that are made, restricted and put in place by descriptors on both ends, so that no name
// is resolved a second time between the check and the mount.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

enum MountFlag : unsigned {
  kReadOnly = 1,
  kNoSuid = 2,
  kNoDevices = 4,
  kNoExecute = 8,
};

// A detached copy (open_tree(2)) of what is at `name` below the directory `dir_fd`, or of `dir_fd`
// itself for "". A symlink at the end is not followed.
Fd clone_mount_at(int dir_fd, const std::string& name, bool recursive);
void add_mount_flags(int mount_fd, unsigned flags, bool recursive);
// Puts the detached mount on `name` below `dir_fd`, or on the very object `dir_fd` for "".
void attach_mount_at(int mount_fd, int dir_fd, const std::string& name);
// Whether something is mounted on `name` below `dir_fd`, in whatever mount namespace.
bool is_mount_point(int dir_fd, const std::string& name);
bool is_on_proc(int fd);  // the object lies on a proc file system

}  // namespace fastlayers::sys
