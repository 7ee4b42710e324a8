// How a stack of lowers, and perhaps an upper, becomes one root.
//
// Root is a plan: values only, made without touching the kernel. attach() does it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "sys/fd.hpp"

namespace fastlayers::mount {

struct Directory {
  std::string path;
};

// An EROFS index and the files it is given as extra devices, in order.
struct ErofsIndex {
  std::string index;
  std::vector<std::string> devices;
  bool through_loop = false;  // every one of the files through a loop device
};

using Lower = std::variant<Directory, ErofsIndex>;

struct Root {
  std::vector<Lower> lowers;  // base first; none: the upper alone is the root
  std::string upper;          // empty: read-only
  std::string work;           // needed with an upper; on the same file system
  bool read_only = false;     // with an upper: the mount is read-only all the same
  // The upper is thrown away when its container ends: overlayfs then need not write the whole file
  // system to disk at unmount. Such an upper must not be mounted again.
  bool volatile_upper = false;
};

// Mounts `plan` and returns the detached mount (fsmount(2)); when the descriptor is closed
// without move_to() having been called, everything is gone. A single ErofsIndex without an
// upper is mounted as such, a single Directory without an upper is a read-only bind, an upper
// without lowers a bind, all else is overlayfs (redirect_dir=nofollow, metacopy=off, index=off,
// lowers by "lowerdir+"; never more than 500; userxattr inside a user namespace). EROFS lowers of
// an overlay are passed as detached mounts, or, before Linux 6.15, mounted in a private mount
// namespace of a helper thread. They live exactly as long as the overlay. The caller's namespace
// never sees them. Loop devices are read-only, autoclear, and thus end with the mount. Throws
// Error: system, unsupported (message says what the kernel refused and which backend works).
sys::Fd attach(const Root& plan);

// attach() for a caller that already is in a mount namespace of its own, from which nothing
// propagates: no thread and no further namespace is made. Leaves nothing mounted there.
sys::Fd attach_here(const Root& plan);

// move_mount(2) of a detached mount onto a directory of the caller's namespace. From then on the
// descriptor only keeps the mount busy.
void move_to(const sys::Fd& mount, const std::string& target);

// Unmounts the topmost mount at `target` (UMOUNT_NOFOLLOW); not a mount point is Error(invalid).
void detach(const std::string& target, bool lazy = false);

}  // namespace fastlayers::mount
