// Birth: how a container comes to life.
//
// The calling thread clones the first process into the new namespaces, sharing its memory and
// descriptors, and sleeps until that has executed the command (as in vfork(2)). The child does all
// the work, from mounting the root on, as ordinary code in place of the sleeping thread. Compared
// with fork(2), nothing of a large process has to be copied, the state of other threads does not
// matter (their locks are theirs, not copies that nobody will ever release), errors come back as
// exceptions, descriptors need not be sent; only the steps that the two must not share (descriptor
// table, identity) are raw system calls at the end. Entering namespaces from a helper thread
// instead would not do: a proc file system shows the PID namespace its mounter is in.
//
// A process that joins a container that runs comes to life in two steps, because processes are
// there already that might look into it: the first child stays outside their PID namespace, joins
// the others, does all the work, becomes whom the command is to run as, with no more rights than
// that has, and executes the porter (porter.cc), with which our memory is gone; the second, in
// sight of the container, is a fork of that one.
//
// That takes some system calls under the container's filter. If a profile forbids one of them, the
// second is a fork of the first with all its rights and memory, and gives them up where it is; it
// can be traced in that instant by who has CAP_SYS_PTRACE, so a container that was given both is
// not joined.
#pragma once

#include "run/launch.hpp"
#include "run/root_emulation.hpp"
#include "run/stdio.hpp"
#include "sys/process.hpp"

namespace fastlayers::run {

struct Newborn {
  sys::Child child;
  Streams streams;  // our ends only
  sys::Fd leader;   // whom signals are for, if it is not the child itself
  RootEmulation emulation;
};

// Return when the command is running; throw why it is not.
Newborn give_birth(const LaunchSpec& spec);
// `leader` is the first process of a container.
Newborn join(const ProcessSpec& spec, const sys::Fd& leader);

}  // namespace fastlayers::run
