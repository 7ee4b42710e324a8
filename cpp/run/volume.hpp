// Volumes: places of the host that are shown inside a container.
#pragma once

#include <string>
#include <vector>

#include "run/launch.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

struct Volume {
  sys::Fd mount;   // a detached copy of the source and of what is mounted below it
  sys::Fd source;  // the source itself
  std::string source_path;
  std::string target;  // absolute and clean
  bool is_directory = false;
  bool create = true;  // the target, where it is missing
  bool copy_up = false;
};

// Opens the sources while the container's root is not mounted yet, so that a volume of a directory
// that holds it does not show it a second time. The generated files resolv.conf, hosts and hostname
// of spec.directory are volumes too, where they exist and nothing of the caller's is in their
// place. In the order in which they have to be mounted.
std::vector<Volume> open_volumes(const LaunchSpec& spec);

// Puts them in place; `root_fd` is the attached root of this thread's own mount namespace.
void attach_volumes(int root_fd, const std::vector<Volume>& volumes);

}  // namespace fastlayers::run
