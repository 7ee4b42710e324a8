// Processes: a child that runs in its parent's memory until it executes, and the pidfd through
// which a process is watched, signalled and reaped.
#pragma once

#include <functional>
#include <optional>

#include "base/io.hpp"
#include "sys/fd.hpp"

namespace fastlayers::sys {

struct Child {
  int pid = -1;
  Fd pidfd;
};

// Which namespaces are new, besides that of mounts.
struct NewNamespaces {
  bool pid = true;
  bool uts = true;
  bool ipc = true;
  bool network = false;
};

// clone(2) into new namespaces, sharing memory and
// descriptors. `entry(argument)` runs on a stack of its own, in place of the calling thread, which
// sleeps until the child executes a program or ends: so the child may do whatever that thread could
// do (allocate, throw and catch, open descriptors for its parent) except start threads or return.
// All signals must be blocked. The child's working directory, root and file mode mask are its own.
Child spawn_isolated(int (*entry)(void*), void* argument, const NewNamespaces& namespaces);

// The same into the caller's own namespaces: `entry` is to join others.
Child spawn_sharing(int (*entry)(void*), void* argument);

// Has the children of the calling process, which is from spawn_sharing(), be in the PID namespace
// that `leader` is the first process of.
void bear_into(const Fd& leader);

// Forks that process; the new one is a sibling of it. It has a copy of the memory, as nothing that
// runs in a container may see ours written to. Until it executes it is in sight of the container's
// processes. It is not dumpable, so that none of them can trace it or read its memory, whatever its
// user, unless it has CAP_SYS_PTRACE. Returns twice: in the new process without a child.
std::optional<Child> fork_sibling();

// A child of ours by its number. Error: it is none any more.
Child child_of_number(int pid);

// A program in memory that nobody can change; executed by its descriptor.
Fd sealed_program(Bytes program);

// Has a process of its own, which has nothing of ours but the descriptor `keep`, do `work`; what
// that throws ends it. It is nobody's child.
void leave_to_daemon(int keep, const std::function<void()>& work);

struct ExitState {
  int number = 0;  // exit code, or signal
  bool signalled = false;
};

ExitState reap(const Fd& pidfd);  // waits for the end of a child of this process
// False when the process has ended already.
bool send_signal(const Fd& pidfd, int signal);
bool send_signal(int pidfd, int signal);
int kill_signal();  // SIGKILL
// Kills a child that leads a process group, and all of the group, also if the child has ended; it
// must not have been reaped.
void kill_group(const Child& leader);

// Of the calling thread (Linux 6.9) or else of its process: readable once that has ended.
Fd open_pidfd_of_caller();

}  // namespace fastlayers::sys
