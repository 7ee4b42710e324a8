#include "sys/signal.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>

#include "sys/file.hpp"
#include "sys/stream.hpp"

namespace fastlayers::sys {

namespace {

void (*handler_of(int signal))(int) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

void mine(int) {}

}  // namespace

TEST_CASE("signals are queued for every catcher, and the handlers come back") {
  const auto before = std::signal(SIGUSR1, mine);
  {
    SignalCatcher first;
    {
      SignalCatcher second;
      ::kill(::getpid(), SIGUSR1);
      CHECK(second.next() == SIGUSR1);
    }
    CHECK(first.next() == SIGUSR1);
    CHECK(!first.next());
    CHECK((handler_of(SIGUSR1) != mine));
  }
  CHECK((handler_of(SIGUSR1) == mine));
  std::signal(SIGUSR1, before);
}

TEST_CASE("what the caller ignores stays ignored, but not the end of children") {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGCHLD, SIG_IGN);
  {
    SignalCatcher catcher;
    ::kill(::getpid(), SIGHUP);
    CHECK(!catcher.next());
    CHECK((handler_of(SIGCHLD) == SIG_DFL));
  }
  CHECK((handler_of(SIGCHLD) == SIG_IGN));
  std::signal(SIGCHLD, SIG_DFL);
  std::signal(SIGHUP, before);
}

TEST_CASE("a broken pipe is an error and leaves no signal behind") {
  Pipe pipe = open_pipe();
  pipe.read_end.close();
  {
    const NoBrokenPipeSignal guard;
    const auto result = try_write(pipe.write_end.get(), StreamKind::pipe, as_bytes("x"));
    CHECK(result.count == 0);
    CHECK(result.error == EPIPE);
  }
  sigset_t pending;
  ::sigpending(&pending);
  CHECK(::sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("writing does not wait for a reader, even on a blocking pipe") {
  const Pipe pipe = open_pipe();
  const std::string chunk(1 << 20, 'x');
  const auto first = try_write(pipe.write_end.get(), StreamKind::pipe, as_bytes(chunk));
  CHECK(first.count > 0);
  CHECK(first.count < chunk.size());
  Watch watch{pipe.write_end.get(), false, true, false};
  CHECK(wait_ready({&watch, 1}, 0) == Wait::timed_out);
}

}  // namespace fastlayers::sys
