#include "run/attendant.hpp"

#include <cstdlib>

#include "base/error.hpp"
#include "run/child.hpp"
#include "sys/child_setup.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

constexpr int kFailed = 125;

// What the sleeping thread and the child share.
struct Errand {
  int stdio[3];
  int parent_fd;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int error = 0;
};

int set_up(const Errand& errand) {
  namespace child = sys::child;
  if (const int error = stand_alone(errand.stdio).error; error != 0) return error;
  if (const int error = child::die_with_parent(errand.parent_fd); error != 0) return error;
  if (const int error = child::close_from(3); error != 0) return error;
  child::unblock_signals();
  return child::execute(errand.arguments.front(), errand.arguments.data(),
                        errand.environment.data());
}

int child_main(void* argument) {
  Errand& errand = *static_cast<Errand*>(argument);
  errand.error = set_up(errand);
  sys::child::leave(kFailed);
}

}  // namespace

sys::Child spawn_attendant(const std::vector<std::string>& argv, int stdin_fd, int output_fd) {
  if (argv.empty()) throw Error(ErrorKind::invalid, "no program to start");
  const std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  const sys::Fd input = sys::duplicate_above_stdio(stdin_fd);
  const sys::Fd output = sys::duplicate_above_stdio(output_fd);
  const sys::Fd self = sys::duplicate_above_stdio(sys::open_pidfd_of_caller().get());
  Errand errand{{input.get(), output.get(), output.get()},
                self.get(),
                pointers_to(argv),
                pointers_to(environment)};
  sys::Child child;
  {
    const sys::BlockedSignals blocked;
    child = sys::spawn_sharing(child_main, &errand);
  }
  if (errand.error == 0) return child;
  sys::reap(child.pidfd);
  throw_errno("start " + argv.front(), errand.error);
}

}  // namespace fastlayers::run
