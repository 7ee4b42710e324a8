#include "run/runtime.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "mount/root.hpp"
#include "run/attend.hpp"
#include "run/child.hpp"
#include "run/command.hpp"
#include "run/container_root.hpp"
#include "run/environment.hpp"
#include "run/porter.hpp"
#include "run/stdio.hpp"
#include "run/target.hpp"
#include "sys/child_setup.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"
#include "sys/node.hpp"
#include "sys/process.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"
#include "sys/terminal.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::run {

namespace {

constexpr int kFailed = 127;

// What the sleeping thread and the child share.
struct Nest {
  const LaunchSpec* spec = nullptr;
  const RuntimeSpec* runtime = nullptr;
  Streams streams;
  sys::Fd self;
  sys::Fd report;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::exception_ptr failure;
  Failure step{Step::descriptors, 0};
};

sys::Fd mount_new(const char* type, const std::string& path, const char* mode = nullptr) {
  sys::FsContext context(type);
  context.set_string("source", type);
  if (mode != nullptr) context.set_string("mode", mode);
  context.create();
  sys::Fd mount = context.mount(sys::Access::read_write);
  sys::attach_mount(mount.get(), path);
  return mount;
}

// crun refuses to work on a host that has controllers in both versions of cgroups. A runtime is
// shown the first; in a user namespace, which may use neither, the second, as youki forgives that
// only there.
void show_one_version_of_cgroups() {
  const std::string unified = "/sys/fs/cgroup/unified";
  const auto directory = sys::try_open(unified, O_PATH | O_DIRECTORY);
  if (!directory) return;
  if (sys::in_initial_user_namespace()) {
    mount_new("tmpfs", unified, "755");
  } else {
    const sys::Fd second = sys::clone_mount_at(directory->get(), "", false);
    sys::attach_mount(second.get(), "/sys/fs/cgroup");
  }
}

// What a runtime is to join, where it finds it whatever else is hidden from it.
void show_groups_and_network(int bundle_fd, const LaunchSpec& spec) {
  if (spec.network_fd >= 0) {
    sys::open_at(bundle_fd, "network", O_WRONLY | O_CREAT | O_EXCL, 0600);
    const sys::Fd network = sys::clone_mount_at(spec.network_fd, "", false);
    sys::attach_mount_at(network.get(), bundle_fd, "network");
  }
  if (!spec.cgroups.empty()) sys::make_directory_at(bundle_fd, "cgroups", 0700);
  for (std::size_t i = 0; i < spec.cgroups.size(); ++i) {
    const std::string path = "cgroups/" + std::to_string(i);
    const sys::Fd group = sys::open(spec.cgroups[i], O_PATH | O_DIRECTORY);
    sys::make_directory_at(bundle_fd, path, 0700);
    sys::attach_mount_at(sys::clone_mount_at(group.get(), "", false).get(), bundle_fd, path);
  }
}

void build(Nest& nest) {
  const LaunchSpec& spec = *nest.spec;
  sys::keep_mounts_private();
  const sys::Fd root = attach_root(spec);
  const std::string bundle = spec.directory + "/bundle";
  SystemMounts mounts;
  sys::make_dirs(bundle, 0700);
  mounts.dev = mount_new("tmpfs", bundle, "700");
  const int fd = mounts.dev.get();
  make_null(fd);
  sys::write_all(sys::open_at(fd, "config.json", O_WRONLY | O_CREAT | O_EXCL, 0600).get(),
                 as_bytes(nest.runtime->config));
  if (spec.init) {
    const sys::Fd init = sys::open_at(fd, "init", O_WRONLY | O_CREAT | O_EXCL, 0555);
    sys::write_all(init.get(), porter_program());
  }
  if (!spec.images.empty()) sys::make_directory_at(fd, "images", 0700);
  for (std::size_t i = 0; i < spec.images.size(); ++i) {
    const sys::Fd image = mount::attach_here(spec.images[i].root);
    if (!spec.privileged) sys::add_mount_flags(image.get(), sys::kNoDevices, false);
    const std::string path = "images/" + std::to_string(i);
    sys::make_directory_at(fd, path, 0700);
    sys::attach_mount_at(image.get(), fd, path);
  }
  show_groups_and_network(fd, spec);
  if (spec.tty) {
    for (sys::Fd& end : nest.streams.child) {
      end = sys::duplicate_above_stdio(open_null(mounts).get());
    }
  } else {
    // Kept: what the runtime itself writes, in vain, must not reach the caller.
    nest.streams = open_streams(spec, true, mounts, nest.runtime->uid);
  }
  show_one_version_of_cgroups();
  sys::change_directory(bundle);
  if (!spec.host_pid) mount_new("proc", "/proc");
}

Failure become_keeper(const Nest& nest) {
  namespace child = sys::child;
  const sys::Fd(&streams)[3] = nest.streams.child;
  const Failure alone = stand_alone({streams[0].get(), streams[1].get(), streams[2].get()});
  if (alone.error != 0) return alone;
  int error = 0;
  int fds[2] = {nest.report.get(), nest.report.get()};
  if (nest.spec->host_pid) {
    error = child::adopt_orphans();  // killed with us, it could not end the container any more
  } else if (nest.self) {
    error = child::die_with_parent(nest.self.get());
  }
  if (error != 0) return {Step::parent, error};
  if ((error = child::gather(fds, kReport)) != 0) return {Step::descriptors, error};
  child::unblock_signals();
  return {Step::execute,
          child::execute(nest.arguments.front(), nest.arguments.data(), nest.environment.data())};
}

int child_main(void* argument) {
  Nest& nest = *static_cast<Nest*>(argument);
  try {
    build(nest);
  } catch (...) {
    nest.failure = std::current_exception();
    sys::child::leave(1);
  }
  nest.step = become_keeper(nest);
  sys::child::leave(kFailed);
}

// Until there is a report, or no keeper any more. A runtime may take for ever.
void await_report(const sys::Child& keeper, int receive_fd) {
  sys::SignalCatcher signals;
  while (true) {
    std::array<sys::Watch, 3> watches{{{receive_fd, true, false, false},
                                       {keeper.pidfd.get(), true, false, false},
                                       {signals.fd(), true, false, false}}};
    if (sys::wait_ready(watches, -1) != sys::Wait::ready) continue;
    if (watches[0].ready || watches[1].ready) return;
    while (const auto signal = signals.next()) {
      if (sys::is_termination(*signal)) {
        throw Error(ErrorKind::system, "interrupted before the runtime had started the container");
      }
    }
  }
}

// Asks for the report; a keeper that has none to give does not stay, nor the runtime, which is in
// its process group.
Reported receive_from(const sys::Child& keeper, const LaunchSpec& spec, const RuntimeSpec& runtime,
                      const std::function<std::optional<Reported>()>& receive) {
  try {
    await_report(keeper, runtime.receive_fd);
    auto reported = receive();
    if (!reported) throw Error(ErrorKind::system, "the runtime has not started the container");
    if (reported->terminal) {
      set_first_size(spec, reported->terminal.get());
      sys::set_non_blocking(reported->terminal.get());
    }
    return std::move(*reported);
  } catch (...) {
    sys::kill_group(keeper);
    sys::reap(keeper.pidfd);
    throw;
  }
}

Newborn hatch(const LaunchSpec& spec, const RuntimeSpec& runtime,
              const std::function<std::optional<Reported>()>& receive) {
  const ProfileTimer timer(ProfilePart::start);
  std::vector<std::string> environment = {"PATH=" + std::string(kDefaultPath), "LANG=C"};
  // By a name that is not root's runc knows that it may have no control groups.
  if (!sys::in_initial_user_namespace()) environment.emplace_back("USER=rootless");
  Nest nest;
  nest.spec = &spec;
  nest.runtime = &runtime;
  nest.arguments = pointers_to(runtime.keeper);
  nest.environment = pointers_to(environment);
  nest.report = sys::duplicate_above_stdio(runtime.report_fd);
  if (spec.kill_with_parent) {
    nest.self = sys::duplicate_above_stdio(sys::open_pidfd_of_caller().get());
  }
  sys::Child keeper;
  {
    const sys::BlockedSignals blocked;
    keeper = sys::spawn_isolated(
        child_main, &nest,
        {.pid = !spec.host_pid, .uts = !spec.host_uts, .ipc = spec.ipc != Ipc::host});
  }
  if (nest.failure || nest.step.error != 0) {
    sys::reap(keeper.pidfd);
    if (nest.failure) std::rethrow_exception(nest.failure);
    throw_errno("start the keeper of the container", nest.step.error);
  }
  for (sys::Fd& fd : nest.streams.child) fd.close();
  nest.report.close();
  Reported reported = receive_from(keeper, spec, runtime, receive);
  Newborn newborn{
      std::move(keeper), std::move(nest.streams), std::move(reported.pidfd), {sys::Fd(), {}}};
  newborn.child.pid = reported.pid;
  if (reported.terminal) newborn.streams.terminal = std::move(reported.terminal);
  return newborn;
}

bool is_below(const std::string& target, const std::string& place) {
  return (clean_path(target, "mount target") + "/").starts_with(place + "/");
}

bool is_of_system(const std::string& target) {
  return is_below(target, "/dev") || is_below(target, "/proc") || is_below(target, "/sys");
}

// crun and runc would make it themselves, youki does not. Not where a file system will be that is
// new with the container.
void make_working_directory(int root_fd, const std::string& cwd,
                            const std::vector<TmpfsMount>& tmpfs) {
  const auto hides = [&](const TmpfsMount& mount) {
    return is_below(cwd, clean_path(mount.target, "mount target"));
  };
  if (is_of_system(cwd) || std::any_of(tmpfs.begin(), tmpfs.end(), hides)) return;
  open_or_create(root_fd, cwd, TargetKind::directory);
}

// By the file's mode alone: what else may forbid it the runtime finds out.
bool may_execute(int root_fd, const std::string& path, const Account& account) {
  const auto file = sys::try_open_in_root(root_fd, path, O_PATH);
  if (!file) return false;
  const auto status = sys::stat_fd(file->get());
  if (account.uid == 0) return true;  // find_command() has looked
  if (account.uid == status.st_uid) return (status.st_mode & S_IXUSR) != 0;
  const auto& groups = account.groups;
  const bool is_member = account.gid == status.st_gid ||
                         std::find(groups.begin(), groups.end(), status.st_gid) != groups.end();
  return (status.st_mode & (is_member ? S_IXGRP : S_IXOTH)) != 0;
}

// A runtime may notice only when the container is started, or with an exit code like any other.
void require_command(int root_fd, const LaunchSpec& spec, Prepared& prepared) {
  const std::string& name = spec.argv.at(0);
  const std::string cwd = clean_path(spec.cwd, "the working directory");
  const Command command = find_command(root_fd, name, value_of(prepared.environment, "PATH"), cwd);
  prepared.candidates = command.candidates;
  for (const auto& candidate : command.candidates) {
    const std::string path = candidate.front() == '/' ? candidate : cwd + "/" + candidate;
    if (may_execute(root_fd, path, prepared.account)) return;
  }
  if (command.searched) {
    throw Error(ErrorKind::command_not_found,
                "exec: \"" + name + "\": executable file not found in $PATH", ENOENT);
  }
  throw Error(ErrorKind::not_executable, "exec: \"" + name + "\": permission denied", EACCES);
}

}  // namespace

ExitStatus launch_with_runtime(const LaunchSpec& spec, const RuntimeSpec& runtime,
                               const std::function<std::optional<Reported>()>& receive,
                               const std::function<void(int pid)>& started) {
  return attend_launch(
      spec, [&](const LaunchSpec& checked) { return hatch(checked, runtime, receive); }, started);
}

Prepared prepare_for_runtime(LaunchSpec spec, bool find) {
  // File systems of the kernel's will be in these places; nothing is made there in the image's.
  std::erase_if(spec.binds, [](const BindMount& bind) { return is_of_system(bind.target); });
  std::erase_if(spec.images, [](const ImageMount& image) { return is_of_system(image.target); });
  const std::vector<TmpfsMount> tmpfs = std::exchange(spec.tmpfs, {});
  spec.read_only = false;            // the working directory is made all the same
  spec.root.volatile_upper = false;  // such a one can be mounted once
  Prepared prepared;
  with_root(spec, [&](int root_fd) {
    make_working_directory(root_fd, clean_path(spec.cwd, "the working directory"), tmpfs);
    prepared.account = find_account_in_root(root_fd, spec.user, spec.groups);
    prepared.environment =
        make_environment(spec.env, {spec.hostname, prepared.account.home, spec.tty});
    if (find) require_command(root_fd, spec, prepared);
  });
  return prepared;
}

}  // namespace fastlayers::run
