// The listener of a seccomp filter: system calls that wait for an answer of ours
// (seccomp_unotify(2)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/io.hpp"
#include "sys/fd.hpp"
#include "sys/seccomp.hpp"

namespace fastlayers::sys {

struct WaitingCall {
  std::uint64_t id = 0;
  int thread = 0;  // as this process sees it; 0: it cannot
  std::uint32_t number = 0;
  std::uint32_t architecture = 0;
  std::uint64_t arguments[6] = {};
};

// Gives the calling process a filter that answers kAnswerListen; for what install_filter() needs.
Fd install_listener(const FilterProgram& program);

// Nothing when the caller has gone meanwhile.
std::optional<WaitingCall> receive_call(const Fd& listener);
// Whether it still waits: if so, its thread is the one that it was.
bool still_waits(const Fd& listener, const WaitingCall& call);
// `error` 0: it returns `value`. A caller that has gone is fine.
void answer_call(const Fd& listener, const WaitingCall& call, std::int64_t value, int error);
void let_call_pass(const Fd& listener, const WaitingCall& call);  // the kernel answers

// Memory of the calling thread's process; false if there is none at that address.
bool read_memory(const WaitingCall& call, std::uint64_t address, MutableBytes bytes);
// A text that ends with a NUL, of at most 4095 bytes as all paths.
std::optional<std::string> read_path(const WaitingCall& call, std::uint64_t address);
bool write_memory(const WaitingCall& call, std::uint64_t address, Bytes bytes);

}  // namespace fastlayers::sys
