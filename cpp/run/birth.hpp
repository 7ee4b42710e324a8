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
#pragma once

#include "run/launch.hpp"
#include "run/stdio.hpp"
#include "sys/process.hpp"

namespace fastlayers::run {

struct Newborn {
  sys::Child child;
  Streams streams;  // our ends only
};

// Returns when the command is running; throws why it is not.
Newborn give_birth(const LaunchSpec& spec);

}  // namespace fastlayers::run
