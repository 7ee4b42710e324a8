// Identity: who a process believes to be, where it cannot be anybody else (sys::has_single_id()).
// The rules are the kernel's for a process with CAP_SETUID and CAP_SETGID exactly while its
// effective user is root (credentials(7), setresuid(2)).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fastlayers::run {

inline constexpr std::uint32_t kKeepId = 0xffffffff;  // as an argument: leave it as it is

using Ids = std::array<std::uint32_t, 3>;  // real, effective, saved

struct Identity {
  Ids users{};
  Ids groups{};
  std::vector<std::uint32_t> supplementary;

  bool is_root() const { return users[1] == 0; }
};

// Each returns 0 or an errno; `privileged`: Identity::is_root().
int set_id(Ids& ids, std::uint32_t id, bool privileged);
int set_real_effective(Ids& ids, std::uint32_t real, std::uint32_t effective, bool privileged);
int set_all(Ids& ids, const Ids& wanted, bool privileged);

}  // namespace fastlayers::run
