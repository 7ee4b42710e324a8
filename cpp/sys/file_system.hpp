// Which file system a path lies on, by the name people know it under.
#pragma once

#include <string>

namespace fastlayers::sys {

// "ext4", "tmpfs", ...; "an unknown file system" where the name is not on our list.
std::string file_system_name(const std::string& path);

// Whether an open file lies on a file system that shows the kernel's state (proc, sysfs, cgroup,
// devpts and the like): there is nothing in it to be kept.
bool is_pseudo_file_system(int fd);
bool is_unified_cgroup(int fd);  // control groups of version 2

}  // namespace fastlayers::sys
