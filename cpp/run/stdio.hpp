// Streams: where the container's three standard streams lead.
//
// A pipe or a socket of ours is handed to the container as it is, unless there is a log: nothing is
// copied, and nobody else can have a part in it. All else is relayed, because a container that
// holds a file can open it again through /proc/self/fd, for writing or from its beginning, one that
// holds our terminal can change its modes, and a user that is not root could not open /dev/stdout.
#pragma once

#include "run/process_spec.hpp"
#include "run/system_mount.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

struct Streams {
  sys::Fd child[3];  // numbered above 2
  // Our ends of what is relayed; unset for what is not.
  sys::Fd terminal;  // carries input and output
  sys::Fd input;
  sys::Fd output;
  sys::Fd error;
  bool handed_over = false;  // one at least; or it leads nowhere
};

// `uid` owns what is made, all is relayed if there is a `log`. With a terminal the size of
// ours is set on it.
Streams open_streams(const ProcessSpec& spec, bool log, const SystemMounts& mounts, unsigned uid);

// Gives a terminal the size of ours, or the one that is wanted.
void set_first_size(const ProcessSpec& spec, int terminal);

// The terminal whose size counts, of the caller's descriptors; -1: none.
int host_terminal(const ProcessSpec& spec);

}  // namespace fastlayers::run
