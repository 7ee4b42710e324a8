// User namespaces: how an ordinary user gets to be root of something, and which ids there are in it
// (user_namespaces(7)).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sys/fd.hpp"

namespace fastlayers::sys {

// `count` ids from `inside` on stand for those from `outside` on of the namespace around it.
struct IdRange {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;
  std::uint32_t count = 0;
};

// Puts this process into a user namespace with these ids, where it has all capabilities, and into a
// mount namespace of its own, from which nothing propagates. A single id, which must be its own, it
// sets itself, and there are no groups to be set then; more of them newuidmap(1) and newgidmap(1).
// The process must have one thread. Throws Error: unsupported (the kernel lets us not), invalid
// (several threads), system (what newuidmap said).
void enter_user_namespace(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids);

// The same, into the user namespace of a process, whose owner this process's user is. False if the
// process has ended.
bool join_user_namespace(const Fd& process);

// False inside a user namespace: trusted.* attributes and most file systems are out of reach.
bool in_initial_user_namespace();

// In a user namespace with one id only: all belongs to it, whoever it truly belongs to. The file
// tables know that.
bool has_single_id();

// For messages: that this namespace lacks an id, and what to do about it.
std::string missing_ids_advice();

}  // namespace fastlayers::sys
