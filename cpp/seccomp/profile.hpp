// Profile: what a container's processes may ask of the kernel, in the words of the OCI runtime
// specification, with its conditions on capabilities and machines already decided.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sys/seccomp.hpp"

namespace fastlayers::seccomp {

enum class Operator { not_equal, less, less_equal, equal, greater_equal, greater, masked_equal };

// Of one argument. For masked_equal `value` is the mask and `value_two` what has to be left.
struct Condition {
  unsigned argument = 0;
  Operator operation = Operator::equal;
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;
  // The kernel takes the argument for an int: what is in its high half says nothing.
  bool is_int = false;
};

struct Rule {
  std::vector<std::string_view> names;  // borrowed; one that no interface has is left out
  std::uint32_t answer = 0;
  std::vector<Condition> conditions;  // all of them hold
};

struct Profile {
  std::uint32_t default_answer = 0;
  std::vector<std::string_view> architectures;  // those of other machines say nothing here
  std::vector<Rule> rules;
};

// Docker's profile for a process with these capabilities in its bounding set (bit n: number n).
Profile default_profile(std::uint64_t capabilities);

// The filter that answers so. A rule without conditions counts before those with, these in their
// order. As with runc, a call that is newer than all that the profile names is told to be unknown
// (ENOSYS), for programs then do without, unless the default is to let it pass. The native
// interface is always covered; a process that uses one that is not covered is killed.
// Throws Error(invalid) when a call has two answers or the filter is too long for the kernel.
sys::FilterProgram compile(const Profile& profile);

}  // namespace fastlayers::seccomp
