// Confinement: what a container's process is kept from.
#pragma once

#include <cstdint>

#include "seccomp/profile.hpp"
#include "sys/credentials.hpp"

namespace fastlayers::run {

struct Confinement {
  std::uint64_t capabilities = sys::default_capabilities();  // the bounding set, and root's sets
  bool no_new_privileges = false;
  sys::FilterProgram filter = seccomp::compile(seccomp::default_profile(capabilities));  // or none
  unsigned filter_flags = sys::kFilterAllowsSpeculation;
};

}  // namespace fastlayers::run
