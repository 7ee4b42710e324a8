#include "sys/signal.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>

#include "base/error.hpp"

namespace fastlayers::sys {

namespace {

constexpr int kSignals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
constexpr std::size_t kMaxCatchers = 256;

std::array<std::atomic<int>, kMaxCatchers> write_ends{};  // descriptor + 1; 0: free
std::atomic<int> handlers_running{0};
std::atomic<pid_t> owner{0};

std::mutex registry;  // guards the three below
int catchers = 0;
struct sigaction saved[NSIG];
bool changed[NSIG];

static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  const int saved_errno = errno;
  handlers_running.fetch_add(1);
  // A copy of this process that has not executed yet shares the pipes, but its signals are its own.
  if (owner.load() == ::getpid()) {
    const auto byte = static_cast<unsigned char>(signal);
    for (auto& slot : write_ends) {
      const int fd = slot.load() - 1;
      // A full pipe means thousands are waiting: one more would say nothing new.
      if (fd >= 0 && ::write(fd, &byte, 1) < 0) continue;
    }
  }
  handlers_running.fetch_sub(1);
  errno = saved_errno;
}

void change(int signal, const struct sigaction& action) {
  if (::sigaction(signal, &action, nullptr) == 0) changed[signal] = true;
}

void catch_one(int signal) {
  if (::sigaction(signal, nullptr, &saved[signal]) != 0) return;
  if ((saved[signal].sa_flags & SA_SIGINFO) == 0 && saved[signal].sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  change(signal, action);
}

void keep_exit_states() {
  if (::sigaction(SIGCHLD, nullptr, &saved[SIGCHLD]) != 0) return;
  struct sigaction action = saved[SIGCHLD];
  const bool ignored = (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
  if (!ignored && (action.sa_flags & SA_NOCLDWAIT) == 0) return;
  if (ignored) action.sa_handler = SIG_DFL;
  action.sa_flags &= ~SA_NOCLDWAIT;
  change(SIGCHLD, action);
}

void install_handlers() {
  owner = ::getpid();
  std::memset(changed, 0, sizeof(changed));
  for (const int signal : kSignals) catch_one(signal);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) catch_one(signal);
  keep_exit_states();
}

void restore_handlers() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (changed[signal]) ::sigaction(signal, &saved[signal], nullptr);
  }
}

}  // namespace

SignalCatcher::SignalCatcher() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw_errno("open a pipe");
  read_end_ = Fd(ends[0]);
  write_end_ = Fd(ends[1]);
  const std::lock_guard lock(registry);
  for (std::size_t slot = 0; slot < kMaxCatchers && slot_ < 0; ++slot) {
    if (write_ends[slot].load() == 0) slot_ = static_cast<int>(slot);
  }
  if (slot_ < 0) {
    throw Error(ErrorKind::limit, "more than 256 containers are being run by this process");
  }
  write_ends[static_cast<std::size_t>(slot_)] = write_end_.get() + 1;
  if (catchers++ == 0) install_handlers();
}

SignalCatcher::~SignalCatcher() {
  const std::lock_guard lock(registry);
  if (--catchers == 0) restore_handlers();
  write_ends[static_cast<std::size_t>(slot_)] = 0;
  // A handler in another thread may still hold the number of the descriptor about to be closed.
  while (handlers_running.load() != 0) ::sched_yield();
}

std::optional<int> SignalCatcher::next() {
  unsigned char byte = 0;
  if (::read(read_end_.get(), &byte, 1) != 1) return std::nullopt;
  return byte;
}

bool is_resize(int signal) { return signal == SIGWINCH; }
bool is_continue(int signal) { return signal == SIGCONT; }
bool is_termination(int signal) {
  return signal == SIGHUP || signal == SIGINT || signal == SIGQUIT || signal == SIGTERM;
}

int hang_up_signal() { return SIGHUP; }
int broken_pipe_signal() { return SIGPIPE; }

BlockedSignals::BlockedSignals() {
  static_assert(sizeof(sigset_t) <= sizeof(saved_));
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::memcpy(saved_, &before, sizeof(before));
}

BlockedSignals::~BlockedSignals() {
  sigset_t before;
  std::memcpy(&before, saved_, sizeof(before));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

NoBrokenPipeSignal::NoBrokenPipeSignal() {
  sigset_t pending;
  ::sigpending(&pending);
  was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
  sigset_t pipe;
  sigset_t before;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  was_blocked_ = ::sigismember(&before, SIGPIPE) == 1;
}

NoBrokenPipeSignal::~NoBrokenPipeSignal() {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  if (!was_pending_) {
    const timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  if (!was_blocked_) ::pthread_sigmask(SIG_UNBLOCK, &pipe, nullptr);
}

}  // namespace fastlayers::sys
