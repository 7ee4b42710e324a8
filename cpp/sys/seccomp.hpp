// Seccomp filters: the instructions the kernel takes, what a filter may answer, and how a process
// gets one. The numbers are the kernel's and checked against its headers in the source file.
#pragma once

#include <cstdint>
#include <vector>

namespace fastlayers::sys {

// One instruction of classic BPF, as seccomp(2) takes it.
struct FilterStep {
  std::uint16_t code = 0;
  std::uint8_t on_true = 0;  // instructions to be skipped
  std::uint8_t on_false = 0;
  std::uint32_t value = 0;

  friend bool operator==(const FilterStep&, const FilterStep&) = default;
};
using FilterProgram = std::vector<FilterStep>;

inline constexpr std::size_t kMaxFilterSteps = 4096;

// Instructions.
inline constexpr std::uint16_t kLoad = 0x20;  // a word of what is asked about
inline constexpr std::uint16_t kAnd = 0x54;
inline constexpr std::uint16_t kJump = 0x05;  // over `value` instructions
inline constexpr std::uint16_t kJumpEqual = 0x15;
inline constexpr std::uint16_t kJumpGreater = 0x25;
inline constexpr std::uint16_t kJumpGreaterEqual = 0x35;
inline constexpr std::uint16_t kAnswer = 0x06;

// Words of what is asked about (struct seccomp_data), as kLoad names them.
inline constexpr std::uint32_t kCallNumber = 0;
inline constexpr std::uint32_t kCallArchitecture = 4;
constexpr std::uint32_t low_half_of_argument(unsigned index) { return 16 + 8 * index; }
constexpr std::uint32_t high_half_of_argument(unsigned index) { return 20 + 8 * index; }

// Answers; the low 16 bits of kAnswerErrno are the errno.
inline constexpr std::uint32_t kAnswerKillThread = 0;
inline constexpr std::uint32_t kAnswerListen = 0x7fc00000;  // the listener's: seccomp_listener.hpp
inline constexpr std::uint32_t kAnswerTrace = 0x7ff00000;
inline constexpr std::uint32_t kAnswerLog = 0x7ffc0000;
inline constexpr std::uint32_t kAnswerAllow = 0x7fff0000;
inline constexpr std::uint32_t kAnswerErrno = 0x00050000;
inline constexpr std::uint32_t kAnswerMask = 0xffff0000;

// A system call as a filter sees it (struct seccomp_data).
struct AskedCall {
  std::uint32_t number = 0;
  std::uint32_t architecture = 0;  // AUDIT_ARCH_*
  std::uint64_t instruction = 0;
  std::uint64_t arguments[6] = {};
};

// What the kernel would be answered. Error(invalid): the program is none that is made here.
std::uint32_t ask(const FilterProgram& program, const AskedCall& call);

namespace child {

// For the calling process, which shares memory with its parent: see child_setup.hpp.
int forbid_new_privileges() noexcept;
// Needs CAP_SYS_ADMIN or that no new privileges are to be had. `flags` are SECCOMP_FILTER_FLAG_*.
int install_filter(const FilterProgram& program, unsigned flags) noexcept;

}  // namespace child

// SECCOMP_FILTER_FLAG_SPEC_ALLOW: a filter alone is no reason for slower memory accesses.
inline constexpr unsigned kFilterAllowsSpeculation = 4;

}  // namespace fastlayers::sys
