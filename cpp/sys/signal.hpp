// Signals, for a library inside somebody else's process: whatever is changed is put back.
#pragma once

#include <optional>

#include "sys/fd.hpp"

namespace fastlayers::sys {

// While it lives, the signals that end, control or resize a program (HUP, INT, QUIT, TERM, USR1,
// USR2, CONT, WINCH and the real-time ones) are not acted on but queued here. A signal the caller
// ignores stays ignored. Several may live at once, in different threads: each gets every signal.
// The last one to go restores the caller's handlers. SIGCHLD, if ignored, is set to its default
// meanwhile, since an ignored one takes the exit status with it.
class SignalCatcher {
 public:
  SignalCatcher();
  SignalCatcher(const SignalCatcher&) = delete;
  SignalCatcher& operator=(const SignalCatcher&) = delete;
  ~SignalCatcher();

  int fd() const { return read_end_.get(); }  // readable when there is a signal
  std::optional<int> next();                  // the oldest one; does not wait

 private:
  Fd read_end_;
  Fd write_end_;
  int slot_ = -1;
};

bool is_resize(int signal);
bool is_continue(int signal);
bool is_termination(int signal);  // HUP, INT, QUIT, TERM
int hang_up_signal();
int broken_pipe_signal();

// Blocks all signals in the calling thread, and in threads started meanwhile.
class BlockedSignals {
 public:
  BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals();

 private:
  alignas(unsigned long) unsigned char saved_[128];
};

// Writing to a pipe nobody reads is an error here, not a signal; for the calling thread.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal();
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;
  ~NoBrokenPipeSignal();

 private:
  bool was_pending_ = false;
  bool was_blocked_ = false;
};

}  // namespace fastlayers::sys
