// The identity of a container's process: user, groups and capabilities.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fastlayers::sys {

struct Credentials {
  unsigned uid = 0;
  unsigned gid = 0;
  const unsigned* groups = nullptr;  // supplementary; borrowed
  std::size_t group_count = 0;
  std::uint64_t capabilities = 0;  // bit n: capability n; the bounding set, and root's sets
};

// Docker's default set: what root in a container needs and what cannot reach the host's kernel.
std::uint64_t default_capabilities();

// The highest capability of this kernel.
int last_capability();

// Takes on that identity: the bounding set is reduced, securebits cleared, ambient and inheritable
// sets emptied; root keeps `capabilities` permitted and effective, others none. By raw system
// calls: libc's would change every thread of the parent. Only for a child before execve(2), or a
// single-threaded process. Returns 0 or an errno.
int become(const Credentials& credentials, int last) noexcept;

}  // namespace fastlayers::sys
