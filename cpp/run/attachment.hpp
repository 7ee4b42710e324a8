// Attachment: one end of audience.hpp, that of a person at a terminal or of a pipe.
#pragma once

#include <optional>
#include <string>

#include "sys/fd.hpp"

namespace fastlayers::run {

struct AttachSpec {
  int socket = -1;  // of a member of an Audience
  int leader = -1;  // pidfd of the process, which gets our signals; -1: they end the attachment
  bool tty = false;
  bool interactive = false;  // what is typed goes there
  bool redraw = false;       // has a program on the terminal draw its window anew
  std::string detach_keys;   // on a terminal, typed in this order; "": none
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;
};

struct AttachEnd {
  std::optional<int> exit_code;  // of the process: it has ended
  bool detached = false;         // by keys
  bool refused = false;          // too many are attached already
  int signal = 0;                // that has ended it, the attachment
};  // if it is none of them, the other side has let us go, or is no more

// Returns when it is over. The terminal is left as it was found.
AttachEnd attach(const AttachSpec& spec);

// The socket of a process that is served in that directory. Throws Error(conflict).
sys::Fd connect_to_audience(const std::string& directory);

}  // namespace fastlayers::run
