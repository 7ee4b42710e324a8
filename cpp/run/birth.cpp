#include "run/birth.hpp"

#include <exception>
#include <utility>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "mount/root.hpp"
#include "run/account.hpp"
#include "run/child.hpp"
#include "run/command.hpp"
#include "run/environment.hpp"
#include "run/system_mount.hpp"
#include "run/target.hpp"
#include "run/volume.hpp"
#include "sys/child_setup.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

struct Cradle {
  const LaunchSpec& spec;
  Program program;
  std::exception_ptr failure;
};

sys::Fd attach_root(const LaunchSpec& spec) {
  sys::Fd root = mount::attach_here(spec.root);
  sys::add_mount_flags(root.get(), sys::kNoDevices, false);
  const std::string merged = spec.directory + "/merged";
  sys::make_dirs(merged, 0700);
  sys::attach_mount(root.get(), merged);
  return root;
}

// Enters the working directory once its root is ours; returns its real path.
std::string enter(const sys::Fd& directory) {
  sys::change_directory(directory.get());
  return sys::current_directory();
}

// In the child. All it opens is closed when it returns, but for the streams.
void prepare(const LaunchSpec& spec, Program& program) {
  sys::keep_mounts_private();
  if (spec.network == Network::none) sys::raise_loopback();
  sys::clear_file_mask();

  const std::vector<Volume> volumes = open_volumes(spec);
  const sys::Fd root = attach_root(spec);
  const SystemMounts mounts = mount_system(root.get());
  attach_volumes(root.get(), volumes);
  const sys::Fd directory = open_or_create(
      root.get(), clean_path(spec.cwd, "the working directory"), TargetKind::directory);
  program.account = find_account_in_root(root.get(), spec.user);
  program.streams = open_streams(spec, mounts, program.account.uid);
  if (spec.read_only) sys::add_mount_flags(root.get(), sys::kReadOnly, false);
  if (!spec.hostname.empty()) sys::set_hostname(spec.hostname);
  sys::pivot_into(root.get());
  const std::string cwd = enter(directory);

  program.environment =
      make_environment(spec.env, {sys::hostname(), program.account.home, spec.tty});
  program.command =
      find_command(root.get(), spec.argv.front(), value_of(program.environment, "PATH"), cwd);
  program.argv_pointers = pointers_to(spec.argv);
  program.environment_pointers = pointers_to(program.environment);
}

int child_main(void* argument) {
  Cradle& cradle = *static_cast<Cradle*>(argument);
  try {
    prepare(cradle.spec, cradle.program);
  } catch (...) {
    cradle.failure = std::current_exception();
  }
  if (cradle.failure) sys::child::leave(1);
  execute(cradle.program);
}

}  // namespace

Newborn give_birth(const LaunchSpec& spec) {
  const ProfileTimer timer(ProfilePart::start);
  Cradle cradle{spec, {}, nullptr};
  sys::Fd self;
  if (spec.kill_with_parent) {
    self = sys::duplicate_above_stdio(sys::open_pidfd_of_caller().get());
  }
  cradle.program.tty = spec.tty;
  cradle.program.parent_fd = self.get();

  Newborn newborn;
  {
    // No handler of the caller's may run where the child borrows this thread's memory.
    const sys::BlockedSignals blocked;
    newborn.child = sys::spawn_isolated(child_main, &cradle, spec.network == Network::none);
  }
  if (!cradle.failure && cradle.program.error == 0) {
    newborn.streams = std::move(cradle.program.streams);
    for (sys::Fd& fd : newborn.streams.child) fd.close();
    return newborn;
  }
  sys::reap(newborn.child.pidfd);
  if (cradle.failure) std::rethrow_exception(cradle.failure);
  throw_failure(cradle.program, spec.argv.front());
}

}  // namespace fastlayers::run
