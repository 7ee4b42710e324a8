// Step: how far a container's process came before it failed to execute its command. Needs nothing
// but the compiler: the porter includes it.
#pragma once

namespace fastlayers::run {

enum class Step {
  descriptors,
  session,
  joining,
  stdio,
  terminal,
  keyring,
  identity,
  parent,
  limits,
  confinement,
  search,
  execute
};

struct Failure {
  Step step;
  int error;
};

inline constexpr int kReport = 3;  // the porter's descriptor for a Failure
inline constexpr int kNumber = 4;  // and, if it joins, of the page for the number of its sibling

// What one that joins asks the kernel. The container's filter is in force by then.
inline constexpr unsigned long kPage = 4096;
inline constexpr unsigned long kReadWrite = 3;        // PROT_READ | PROT_WRITE
inline constexpr unsigned long kShared = 1;           // MAP_SHARED
inline constexpr unsigned long kNotForChildren = 10;  // MADV_DONTFORK
inline constexpr unsigned long kSibling = 0x108011;   // CLONE_PARENT, CLONE_PARENT_SETTID, SIGCHLD
inline constexpr unsigned long kTakeTerminal = 0x540e;  // TIOCSCTTY

}  // namespace fastlayers::run
