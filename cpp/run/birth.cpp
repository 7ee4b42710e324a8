#include "run/birth.hpp"

#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "mount/root.hpp"
#include "run/account.hpp"
#include "run/child.hpp"
#include "run/command.hpp"
#include "run/environment.hpp"
#include "run/system_mount.hpp"
#include "run/target.hpp"
#include "run/volume.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"
#include "sys/signal.hpp"

namespace fastlayers::run {

namespace {

sys::Fd attach_root(const LaunchSpec& spec) {
  sys::Fd root = mount::attach_here(spec.root);
  sys::add_mount_flags(root.get(), sys::kNoDevices, false);
  const std::string merged = spec.directory + "/merged";
  sys::make_dirs(merged, 0700);
  sys::attach_mount(root.get(), merged);
  return root;
}

// Enters the working directory of the container whose root this thread has; returns its real path.
std::string enter(const sys::Fd& directory) {
  sys::change_directory(directory.get());
  return sys::current_directory();
}

Newborn make_container(const LaunchSpec& spec) {
  const sys::OwnNamespaces namespaces(spec.network == Network::none);
  if (spec.network == Network::none) sys::raise_loopback();
  sys::clear_file_mask();

  const std::vector<Volume> volumes = open_volumes(spec);
  const sys::Fd root = attach_root(spec);
  const SystemMounts mounts = mount_system(root.get());
  attach_volumes(root.get(), volumes);
  const sys::Fd directory = open_or_create(
      root.get(), clean_path(spec.cwd, "the working directory"), TargetKind::directory);
  const Account account = find_account_in_root(root.get(), spec.user);

  Newborn newborn;
  newborn.stdio = open_stdio(spec, mounts, account.uid);
  if (spec.read_only) sys::add_mount_flags(root.get(), sys::kReadOnly, false);
  if (!spec.hostname.empty()) sys::set_hostname(spec.hostname);
  sys::pivot_into(root.get());
  const std::string cwd = enter(directory);

  const auto environment = make_environment(spec.env, {sys::hostname(), account.home, spec.tty});
  const Command command =
      find_command(root.get(), spec.argv.front(), value_of(environment, "PATH"), cwd);
  newborn.child = start_child(
      {command, spec.argv, environment, account, newborn.stdio, spec.tty, spec.kill_with_parent});
  for (sys::Fd& fd : newborn.stdio.child) fd.close();
  return newborn;
}

}  // namespace

Birth::Birth(const LaunchSpec& spec) {
  // For the thread: no handler of the caller's may run where the child borrows its memory.
  const sys::BlockedSignals blocked;
  try {
    thread_ = std::thread([this, &spec] { work(spec); });
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::system, std::string("start a thread: ") + error.what(),
                error.code().value());
  }
}

Birth::~Birth() {
  release_.release();
  thread_.join();
}

void Birth::work(const LaunchSpec& spec) noexcept {
  try {
    newborn_ = make_container(spec);
  } catch (...) {
    failure_ = std::current_exception();
  }
  born_.release();
  if (spec.kill_with_parent) release_.acquire();
}

Newborn Birth::wait() {
  born_.acquire();
  if (failure_) std::rethrow_exception(failure_);
  return std::move(newborn_);
}

}  // namespace fastlayers::run
