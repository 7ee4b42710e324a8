// The root of a container with all that is mounted in it, in a mount namespace of the caller's own.
#pragma once

#include <functional>

#include "run/launch.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

// Mounts the root on spec.directory + "/merged", for a caller that is in a mount namespace of its
// own, from which nothing propagates.
sys::Fd attach_root(const LaunchSpec& spec);

// Calls `work` with a descriptor of the root of a container that does not run: its volumes and
// images are in it, but no file system of the kernel's and no tmpfs. Without a directory it is the
// bare root. Nothing is seen of it outside the calling thread, which must be one that ends
// afterwards: its mount namespace and its file mask stay changed.
void with_root(const LaunchSpec& spec, const std::function<void(int root_fd)>& work);

}  // namespace fastlayers::run
