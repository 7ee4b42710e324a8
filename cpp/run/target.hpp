// Target: a place inside a root that something is to be mounted on or entered.
//
// Targets are descriptors. A path from an image or a command line is resolved once, by the kernel
// and inside the root, and never again.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::run {

enum class TargetKind { directory, file };

// "/a/./b//../c" -> "/a/c", as text. Throws Error(invalid) when it is not absolute.
std::string clean_path(const std::string& path, const std::string& what);

// The existing place, or one made now: missing directories get root:root 0755, a missing file is
// made empty with 0644. Symlinks are followed inside the root, also dangling ones. The wrong kind
// is Error(invalid).
sys::Fd open_or_create(int root_fd, const std::string& path, TargetKind kind);

// A mount point of the system directly below the root, which must be a directory and no symlink.
sys::Fd open_system_point(int root_fd, const std::string& name);

}  // namespace fastlayers::run
