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

// Those that a seccomp profile asks for, as <linux/capability.h> numbers them.
namespace capability {
inline constexpr int dac_read_search = 2;
inline constexpr int sys_module = 16;
inline constexpr int sys_rawio = 17;
inline constexpr int sys_chroot = 18;
inline constexpr int sys_ptrace = 19;
inline constexpr int sys_pacct = 20;
inline constexpr int sys_admin = 21;
inline constexpr int sys_boot = 22;
inline constexpr int sys_nice = 23;
inline constexpr int sys_time = 25;
inline constexpr int sys_tty_config = 26;
inline constexpr int syslog = 34;
inline constexpr int perfmon = 38;
inline constexpr int bpf = 39;
}  // namespace capability

// Docker's default set: what root in a container needs and what cannot reach the host's kernel.
std::uint64_t default_capabilities();

// The highest capability of this kernel.
int last_capability();

// Those that this process and its children can have: the bounding set.
std::uint64_t bounding_set();

// Takes on that identity: the bounding set is reduced, securebits cleared, the ambient set emptied.
// What it was permitted stays so, until drop_capabilities(): to install a seccomp filter takes one.
// By raw system calls: libc's would change every thread of the parent. Only for a child before
// execve(2), or a single-threaded process. Returns 0 or an errno.
int become(const Credentials& credentials, int last) noexcept;

// Root keeps `capabilities` permitted and effective, others none; nobody has any inheritable. One
// system call, capset(2). Returns 0 or an errno.
int drop_capabilities(const Credentials& credentials) noexcept;

}  // namespace fastlayers::sys
