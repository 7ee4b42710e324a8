#include "run/launch.hpp"

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "run/attend.hpp"
#include "run/audience.hpp"
#include "run/birth.hpp"
#include "run/relay.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"
#include "sys/terminal.hpp"

namespace fastlayers::run {

namespace {

constexpr int kSignalBase = 128;

void check(const ProcessSpec& spec) {
  if (spec.argv.empty()) throw Error(ErrorKind::invalid, "no command specified");
  for (const auto& argument : spec.argv) {
    if (argument.find('\0') != std::string::npos) {
      throw Error(ErrorKind::invalid, "an argument of the command contains a NUL byte");
    }
  }
}

// A standard stream that is closed has a number that the next descriptor of ours will get.
template <class Spec>
Spec without_closed_streams(Spec spec) {
  for (int* fd : {&spec.stdin_fd, &spec.stdout_fd, &spec.stderr_fd}) {
    if (sys::stream_kind(*fd) == sys::StreamKind::closed) *fd = -1;
  }
  return spec;
}

sys::Fd client_of(const ProcessSpec& spec) {
  const sys::Fd given(spec.client);
  return given ? sys::duplicate_above_stdio(given.get()) : sys::Fd();
}

std::unique_ptr<sys::RawMode> enter_raw_mode(const ProcessSpec& spec) {
  const bool types = spec.tty && spec.attach && spec.interactive;
  if (!types || !sys::is_terminal(spec.stdin_fd)) return nullptr;
  return std::make_unique<sys::RawMode>(spec.stdin_fd);
}

// Nothing may leave launch() while the container runs on.
class EndOnFailure {
 public:
  explicit EndOnFailure(const sys::Child& child) : child_(&child) {}
  EndOnFailure(const EndOnFailure&) = delete;
  EndOnFailure& operator=(const EndOnFailure&) = delete;
  ~EndOnFailure() {
    if (child_ == nullptr) return;
    try {
      sys::send_signal(child_->pidfd, sys::kill_signal());
      sys::reap(child_->pidfd);
    } catch (const Error&) {
      // The error on its way tells more.
    }
  }
  void dismiss() { child_ = nullptr; }

 private:
  const sys::Child* child_;
};

// Has a process born and stays with it to its end. `directory`: where others can attach to it.
ExitStatus attend(const ProcessSpec& spec, const std::string& directory, Log log,
                  const std::function<Newborn()>& birth,
                  const std::function<void(int pid)>& started) {
  const sys::NoBrokenPipeSignal no_broken_pipe_signal;
  sys::SignalCatcher signals;
  const auto raw_mode = enter_raw_mode(spec);

  Newborn newborn = birth();
  EndOnFailure guard(newborn.child);
  Audience audience(directory, client_of(spec));
  if (started) started(newborn.child.pid);

  const ProfileTimer timer(ProfilePart::container);
  ExitStatus status;
  status.lost_output = relay_until_end({spec, newborn, signals, raw_mode.get(), log, audience});
  guard.dismiss();
  const sys::ExitState state = sys::reap(newborn.child.pidfd);
  newborn.emulation.outlive_caller();
  status.signalled = state.signalled;
  status.code = state.signalled ? kSignalBase + state.number : state.number;
  audience.finish(status.code);
  return status;
}

}  // namespace

ExitStatus attend_launch(const LaunchSpec& wanted,
                         const std::function<Newborn(const LaunchSpec& spec)>& birth,
                         const std::function<void(int pid)>& started) {
  check(wanted);
  if (wanted.directory.empty() || wanted.directory.front() != '/') {
    throw Error(ErrorKind::invalid,
                "the container's directory \"" + wanted.directory + "\" is not an absolute path");
  }
  const LaunchSpec spec = without_closed_streams(wanted);
  Log log = spec.log ? Log(spec.directory) : Log();
  return attend(
      spec, spec.directory, std::move(log), [&] { return birth(spec); }, started);
}

ExitStatus launch(const LaunchSpec& spec, const std::function<void(int pid)>& started) {
  return attend_launch(spec, give_birth, started);
}

ExitStatus execute_in(const ProcessSpec& wanted, int leader,
                      const std::function<void(int pid)>& started) {
  check(wanted);
  const ProcessSpec spec = without_closed_streams(wanted);
  const sys::Fd process = sys::duplicate_above_stdio(leader);
  return attend(
      spec, {}, Log(), [&] { return join(spec, process); }, started);
}

}  // namespace fastlayers::run
