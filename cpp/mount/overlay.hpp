// Mounting overlayfs over lowers that are directories or EROFS indexes.
#pragma once

#include "mount/root.hpp"

namespace fastlayers::mount {

// How the kernel is told of the layers. `detached` (Linux 6.15): by descriptors, also of mounts
// that are attached nowhere. `attached` (Linux 6.7): by paths, the EROFS lowers being attached
// to the caller's mount namespace, which must be its own and private, until the overlay stands.
// `joined` (older kernels): the same, with all lowers in one option of at most 255 bytes; the
// caller's working directory, which must be its own too, becomes /proc/self/fd to keep them short.
enum class Layers { detached, attached, joined };

// A detached overlay mount of `plan`.
sys::Fd mount_overlay(const Root& plan, Layers layers);

}  // namespace fastlayers::mount
