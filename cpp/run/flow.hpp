// Flow: bytes going one way, from a stream that is read when it has something to streams that are
// written when they take it. At most one buffer is held; from a pipe to a pipe that nobody else has
// a part in pages are moved, not copied.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "run/audience.hpp"
#include "run/log.hpp"
#include "sys/fd.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

// From the container to the caller (-1: nowhere), to the log and to the audience. When the caller's
// side is gone the container's is closed as well, so that it learns of it.
class OutputFlow {
 public:
  OutputFlow(sys::Fd source, int sink, Log& log, Audience& audience, LogStream stream);

  bool finished() const { return !source_ && pending_.empty(); }
  bool holds_bytes() const { return !pending_.empty() || sink_is_full_; }
  bool source_closed() const { return !source_; }
  sys::Watch watch() const;
  void step();  // watch() was ready
  const std::string& lost() const { return lost_; }

 private:
  bool moves() const;
  void move();
  void read();
  void write();
  void take_note_of(int error);

  sys::Fd source_;
  int sink_;
  sys::StreamKind source_kind_;
  sys::StreamKind sink_kind_;
  bool sink_is_full_ = false;  // for what is to be moved
  Log& log_;
  Audience& audience_;
  LogStream stream_;
  std::vector<std::byte> buffer_;
  Bytes pending_;
  std::string lost_;
};

// From the caller (-1: from who calls offer() and end()) to the container. `sink` is the
// container's terminal (borrowed) or a pipe to it (owned, closed at the end of the input).
class InputFlow {
 public:
  InputFlow(int source, int terminal);
  InputFlow(int source, sys::Fd pipe);

  sys::Watch watch() const;
  void step();
  bool takes_more() const { return pending_.empty() && !sink_is_full_; }
  void offer(std::vector<std::byte> bytes);  // if it takes more
  void end();                                // likewise

 private:
  void move();
  void read();
  void close();

  int source_;
  sys::Fd pipe_;
  int sink_;
  bool is_terminal_;
  bool moves_ = false;         // pages, from a pipe
  bool sink_is_full_ = false;  // for what is to be moved
  char last_byte_ = '\n';
  std::vector<std::byte> buffer_;
  Bytes pending_;
};

}  // namespace fastlayers::run
