// Processes: a child that runs in its parent's memory until it executes, and the pidfd through
// which a process is watched, signalled and reaped.
#pragma once

#include "sys/fd.hpp"

namespace fastlayers::sys {

struct Child {
  int pid = -1;
  Fd pidfd;
};

// clone(2) with CLONE_VM | CLONE_VFORK | CLONE_PIDFD: `entry(argument)` runs on a stack of its own
// while the calling thread is suspended, until the child executes a program or ends. Signals must
// be blocked by the caller. What the child writes to memory the caller can read afterwards.
// `entry` may only use what child_setup.hpp and credentials.hpp offer and must not return.
Child spawn(int (*entry)(void*), void* argument);

struct ExitState {
  int number = 0;         // exit code, or signal
  bool signalled = false;
};

ExitState reap(const Fd& pidfd);  // waits for the end of a child of this process
// False when the process has ended already.
bool send_signal(const Fd& pidfd, int signal);
int kill_signal();  // SIGKILL

// Of the calling thread (Linux 6.9) or else of its process: readable once that has ended.
Fd open_pidfd_of_caller();

unsigned effective_uid();

}  // namespace fastlayers::sys
