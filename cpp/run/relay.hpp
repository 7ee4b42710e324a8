// Relay: what the parent of a container does while it runs. Copies input and output between the
// caller's streams and the container's, forwards signals, keeps the log, waits for the end.
#pragma once

#include <string>

#include "run/audience.hpp"
#include "run/birth.hpp"
#include "run/launch.hpp"
#include "run/log.hpp"
#include "sys/signal.hpp"
#include "sys/terminal.hpp"

namespace fastlayers::run {

struct Relay {
  const ProcessSpec& spec;
  Newborn& newborn;
  sys::SignalCatcher& signals;
  sys::RawMode* raw_mode = nullptr;  // of the caller's terminal, if it is in raw mode
  Log& log;
  Audience& audience;
};

// Returns when the container has ended and all it wrote has been passed on; does not reap it.
// The result says what could not be written ("" if nothing): a full disk does not end a container
// and must not hide how it ended.
std::string relay_until_end(const Relay& relay);

}  // namespace fastlayers::run
