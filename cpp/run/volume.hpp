// Volumes: places of the host, images and new file systems that are shown inside a container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/launch.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

struct Volume {
  sys::Fd mount;  // detached: a copy of the source and of what is mounted below it, or an image
  std::optional<TmpfsMount> tmpfs;  // made when its place is known, instead of `mount`
  std::string source_path;          // or what it is, for messages
  std::string target;               // absolute and clean
  bool is_directory = false;
  bool create = true;  // the target, where it is missing
  bool copy_up = false;
  bool is_kept = true;  // what is copied up must not be lost when power fails
};

// Opens the sources while the container's root is not mounted yet, so that a volume of a directory
// that holds it does not show it a second time. The generated files resolv.conf, hosts and hostname
// of spec.directory are volumes too, where they exist and nothing of the caller's is in their
// place. In the order in which they have to be mounted.
std::vector<Volume> open_volumes(const LaunchSpec& spec);

// Puts them in place; `root_fd` is the attached root of this thread's own mount namespace.
void attach_volumes(int root_fd, std::vector<Volume>& volumes);

}  // namespace fastlayers::run
