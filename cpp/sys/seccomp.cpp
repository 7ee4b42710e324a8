#include "sys/seccomp.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/error.hpp"

namespace fastlayers::sys {

static_assert(sizeof(FilterStep) == sizeof(sock_filter) &&
              offsetof(FilterStep, on_true) == offsetof(sock_filter, jt) &&
              offsetof(FilterStep, value) == offsetof(sock_filter, k));
static_assert(kMaxFilterSteps == BPF_MAXINSNS);
static_assert(kLoad == (BPF_LD | BPF_W | BPF_ABS) && kAnd == (BPF_ALU | BPF_AND | BPF_K));
static_assert(kJump == (BPF_JMP | BPF_JA) && kJumpEqual == (BPF_JMP | BPF_JEQ | BPF_K));
static_assert(kJumpGreater == (BPF_JMP | BPF_JGT | BPF_K));
static_assert(kJumpGreaterEqual == (BPF_JMP | BPF_JGE | BPF_K));
static_assert(kAnswer == (BPF_RET | BPF_K));
static_assert(kCallNumber == offsetof(seccomp_data, nr));
static_assert(kCallArchitecture == offsetof(seccomp_data, arch));
static_assert(low_half_of_argument(1) == offsetof(seccomp_data, args) + sizeof(__u64));
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
static_assert(kAnswerKillThread == SECCOMP_RET_KILL_THREAD && kAnswerTrace == SECCOMP_RET_TRACE);
static_assert(kAnswerLog == SECCOMP_RET_LOG && kAnswerAllow == SECCOMP_RET_ALLOW);
static_assert(kAnswerErrno == SECCOMP_RET_ERRNO && kAnswerMask == SECCOMP_RET_ACTION_FULL);
static_assert(kFilterAllowsSpeculation == SECCOMP_FILTER_FLAG_SPEC_ALLOW);

static_assert(sizeof(AskedCall) == sizeof(seccomp_data) &&
              offsetof(AskedCall, arguments) == offsetof(seccomp_data, args));

std::uint32_t ask(const FilterProgram& program, const AskedCall& call) {
  std::uint32_t word = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const FilterStep& step = program[at];
    bool holds = false;
    switch (step.code) {
      case kLoad:
        if (step.value > sizeof(call) - sizeof(word)) throw Error(ErrorKind::invalid, "a bad load");
        std::memcpy(&word, reinterpret_cast<const char*>(&call) + step.value, sizeof(word));
        continue;
      case kAnd:
        word &= step.value;
        continue;
      case kJump:
        at += step.value;
        continue;
      case kAnswer:
        return step.value;
      case kJumpEqual:
        holds = word == step.value;
        break;
      case kJumpGreater:
        holds = word > step.value;
        break;
      case kJumpGreaterEqual:
        holds = word >= step.value;
        break;
      default:
        throw Error(ErrorKind::invalid, "a seccomp filter has an instruction that is not known");
    }
    at += holds ? step.on_true : step.on_false;
  }
  throw Error(ErrorKind::invalid, "a seccomp filter does not answer");
}

namespace child {

int forbid_new_privileges() noexcept {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? errno : 0;
}

int install_filter(const FilterProgram& program, unsigned flags) noexcept {
  // The kernel copies it and does not write to it.
  auto* steps = const_cast<FilterStep*>(program.data());
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          reinterpret_cast<sock_filter*>(steps)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) != 0 ? errno : 0;
}

}  // namespace child

}  // namespace fastlayers::sys
