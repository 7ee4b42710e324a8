#include "run/birth.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <functional>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "run/account.hpp"
#include "run/child.hpp"
#include "run/command.hpp"
#include "run/container_root.hpp"
#include "run/environment.hpp"
#include "run/system_mount.hpp"
#include "run/target.hpp"
#include "run/volume.hpp"
#include "seccomp/syscall_table.hpp"
#include "sys/child_setup.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::run {

namespace {

// What the sleeping thread and the child share.
struct Cradle {
  std::function<void(Program&)> prepare;
  const sys::Fd* leader = nullptr;  // of the container to be joined
  bool is_watched = false;          // others may exchange the command's file while it is looked at
  // Asked here, as the child may be where /proc does not show it.
  bool is_emulated = sys::has_single_id();
  Program program;
  std::optional<Porter> porter;
  std::exception_ptr failure;
  std::optional<sys::Child> joined;
};

// Enters the working directory once its root is ours; returns its real path.
std::string enter(const sys::Fd& directory) {
  sys::change_directory(directory.get());
  return sys::current_directory();
}

void find_program(int root_fd, const ProcessSpec& spec, const std::string& cwd, Program& program) {
  program.environment =
      make_environment(spec.env, {sys::hostname(), program.account.home, spec.tty});
  program.command =
      find_command(root_fd, spec.argv.front(), value_of(program.environment, "PATH"), cwd);
  program.argv_pointers = pointers_to(spec.argv);
  program.environment_pointers = pointers_to(program.environment);
}

// While the host's files are still there, but after all that is mounted: it may take devices that
// the container does not get at.
void leave_callers_groups(const ProcessSpec& spec) {
  for (const auto& group : spec.cgroups) sys::join_cgroup(group);
  if (spec.oom_score_adj) sys::set_oom_score_adj(*spec.oom_score_adj);
}

// In the child. All it opens is closed when it returns, but for the streams.
void prepare(const LaunchSpec& spec, Program& program) {
  sys::keep_mounts_private();
  if (spec.network == Network::none) sys::raise_loopback();
  if (spec.network_fd >= 0) sys::join_network(sys::duplicate_above_stdio(spec.network_fd));
  sys::clear_file_mask();

  std::vector<Volume> volumes = open_volumes(spec);
  const sys::Fd root = attach_root(spec);
  const SystemMounts mounts =
      mount_system(root.get(), {spec.privileged, spec.hide_system, spec.host_pid, spec.shm_bytes,
                                spec.ipc, spec.devices, spec.sysctls});
  attach_volumes(root.get(), volumes);
  const sys::Fd directory = open_or_create(
      root.get(), clean_path(spec.cwd, "the working directory"), TargetKind::directory);
  program.account = find_account_in_root(root.get(), spec.user, spec.groups);
  program.streams = open_streams(spec, spec.log, mounts, program.account.uid);
  if (spec.read_only) sys::add_mount_flags(root.get(), sys::kReadOnly, false);
  if (!spec.host_uts && !spec.hostname.empty()) sys::set_hostname(spec.hostname);
  if (!spec.domainname.empty()) sys::set_domainname(spec.domainname);
  leave_callers_groups(spec);
  show_own_cgroups(mounts, spec.privileged);
  sys::pivot_into(root.get());
  const std::string cwd = enter(directory);

  find_program(root.get(), spec, cwd, program);
}

// In the child that joins a container: the same of what is there already.
void prepare_joining(const ProcessSpec& spec, const sys::Fd& leader, Program& program) {
  leave_callers_groups(spec);
  sys::join_namespaces(leader);
  sys::clear_file_mask();
  const sys::Fd root = sys::open("/", O_PATH | O_DIRECTORY);
  const std::string path = clean_path(spec.cwd, "the working directory");
  const auto directory = sys::try_open_in_root(root.get(), path, O_PATH | O_DIRECTORY);
  if (!directory) {
    const int error = errno;
    throw Error(error == ENOENT ? ErrorKind::command_not_found : ErrorKind::not_executable,
                "chdir to cwd (\"" + path + "\") failed: " +
                    (error == ENOENT ? "no such file or directory"
                                     : std::generic_category().message(error)),
                error);
  }
  program.account = find_account_in_root(root.get(), spec.user, spec.groups);
  program.streams = open_streams(spec, false, find_system(root.get()), program.account.uid);
  find_program(root.get(), spec, enter(*directory), program);
}

int child_main(void* argument) {
  Cradle& cradle = *static_cast<Cradle*>(argument);
  try {
    cradle.prepare(cradle.program);
    // While the table of descriptors is still the parent's, who answers.
    if (cradle.is_emulated) cradle.program.listener = sys::install_listener(emulation_filter());
    if (cradle.is_watched) cradle.porter.emplace(cradle.program);
    if (cradle.leader != nullptr) sys::bear_into(*cradle.leader);
    if (cradle.leader != nullptr && !cradle.program.joins) {
      auto child = sys::fork_sibling();
      if (!child) cradle.porter->execute(cradle.program);
      cradle.joined = std::move(*child);
      sys::child::leave(0);
    }
  } catch (...) {
    cradle.failure = std::current_exception();
  }
  if (cradle.failure) sys::child::leave(1);
  if (cradle.porter) cradle.porter->execute(cradle.program);
  execute(cradle.program);
}

Identity identity_of(const Account& account) {
  Identity identity;
  identity.users.fill(account.uid);
  identity.groups.fill(account.gid);
  identity.supplementary = account.groups;
  return identity;
}

// Waits for the child that has done the work, and for the command to run.
Newborn deliver(Cradle& cradle, const ProcessSpec& spec, sys::Child child) {
  if (cradle.porter && !cradle.failure) cradle.program.failure = cradle.porter->wait();
  std::optional<sys::Child> born = std::move(child);
  if (cradle.leader != nullptr) {
    sys::reap(born->pidfd);
    born = std::move(cradle.joined);
    if (cradle.program.joins && cradle.porter) born = cradle.porter->sibling();
  }
  if (born && !cradle.failure && cradle.program.failure.error == 0) {
    Newborn newborn{std::move(*born),
                    std::move(cradle.program.streams),
                    {},
                    {std::move(cradle.program.listener), identity_of(cradle.program.account)}};
    for (sys::Fd& fd : newborn.streams.child) fd.close();
    return newborn;
  }
  if (born) sys::reap(born->pidfd);
  if (cradle.failure) std::rethrow_exception(cradle.failure);
  if (cradle.program.failure.error == 0) {
    throw Error(ErrorKind::system, "the process that was to join the container was killed");
  }
  throw_failure(cradle.program, spec.argv.front());
}

// Whether the filter lets one come who has it already: what the porter does then.
bool lets_join(const ProcessSpec& spec) {
  struct Asked {
    const char* name;
    std::uint64_t arguments[6];
  };
  const Asked calls[] = {
      {"mmap", {0, kPage, kReadWrite, kShared, kNumber}},
      {"madvise", {0, kPage, kNotForChildren}},
      {"close", {kNumber}},
      {"clone", {kSibling}},
      {"exit_group", {}},
      {"setsid", {}},
      {"ioctl", {0, kTakeTerminal}},
  };
  const auto& filter = spec.confinement.filter;
  return filter.empty() || std::all_of(std::begin(calls), std::end(calls), [&](const Asked& asked) {
           sys::AskedCall call;
           call.number = static_cast<std::uint32_t>(seccomp::number_of(asked.name, 0));
           call.architecture = seccomp::abis()[0].audit_architecture;
           std::copy(std::begin(asked.arguments), std::end(asked.arguments), call.arguments);
           const std::uint32_t answer = sys::ask(filter, call);
           return answer == sys::kAnswerAllow || answer == sys::kAnswerLog;
         });
}

bool has(const Confinement& confinement, int capability) {
  return (confinement.capabilities >> capability & 1) != 0;
}

}  // namespace

Newborn give_birth(const LaunchSpec& spec) {
  const ProfileTimer timer(ProfilePart::start);
  Cradle cradle;
  cradle.prepare = [&spec](Program& program) { prepare(spec, program); };
  // A volume may be another container's as well, and among the host's processes are any.
  cradle.is_watched = !spec.binds.empty() || spec.host_pid || spec.init;
  cradle.program.init = spec.init;
  sys::Fd self;
  if (spec.kill_with_parent) {
    self = sys::duplicate_above_stdio(sys::open_pidfd_of_caller().get());
  }
  cradle.program.spec = &spec;
  cradle.program.parent_fd = self.get();
  sys::Child child;
  {
    // No handler of the caller's may run where the child borrows this thread's memory.
    const sys::BlockedSignals blocked;
    child = sys::spawn_isolated(child_main, &cradle,
                                {.pid = !spec.host_pid,
                                 .uts = !spec.host_uts,
                                 .ipc = spec.ipc != Ipc::host,
                                 .network = spec.network == Network::none});
  }
  return deliver(cradle, spec, std::move(child));
}

Newborn join(const ProcessSpec& spec, const sys::Fd& leader) {
  const ProfileTimer timer(ProfilePart::start);
  Cradle cradle;
  cradle.prepare = [&](Program& program) { prepare_joining(spec, leader, program); };
  cradle.leader = &leader;
  cradle.is_watched = true;
  cradle.program.joins = lets_join(spec);
  if (!cradle.program.joins && has(spec.confinement, sys::capability::sys_ptrace)) {
    throw Error(ErrorKind::unsupported,
                "the container's seccomp profile forbids what joining it takes (mmap, madvise, "
                "close, clone, exit_group, setsid, ioctl), and it has CAP_SYS_PTRACE: its "
                "processes could take over the one that joins; allow these calls");
  }
  cradle.program.spec = &spec;
  sys::Child child;
  {
    const sys::BlockedSignals blocked;
    child = sys::spawn_sharing(child_main, &cradle);
  }
  return deliver(cradle, spec, std::move(child));
}

}  // namespace fastlayers::run
