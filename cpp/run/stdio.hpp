// Streams: where the container's three standard streams lead.
//
// None of ours is handed to the container: one that holds a file can open it again through
// /proc/self/fd, for writing or from its beginning, one that holds our terminal can change its
// modes, a user that is not root could not open /dev/stdout, and nobody could attach to it. Between
// two pipes the relay moves pages without copying (flow.hpp), and so costs no time.
#pragma once

#include "run/process_spec.hpp"
#include "run/system_mount.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

struct Streams {
  sys::Fd child[3];  // numbered above 2
  // Our ends; unset for what leads nowhere.
  sys::Fd terminal;  // carries input and output
  sys::Fd input;
  sys::Fd output;
  sys::Fd error;
};

// `uid` owns what is made; output that no stream of ours is for is taken if it is `kept`. With a
// terminal the size of ours is set on it.
Streams open_streams(const ProcessSpec& spec, bool kept, const SystemMounts& mounts, unsigned uid);

// Gives a terminal the size of ours, or the one that is wanted.
void set_first_size(const ProcessSpec& spec, int terminal);

// The terminal whose size counts, of the caller's descriptors; -1: none.
int host_terminal(const ProcessSpec& spec);

}  // namespace fastlayers::run
