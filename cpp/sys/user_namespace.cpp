#include "sys/user_namespace.hpp"

#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/probe.hpp"
#include "sys/process.hpp"
#include "sys/signal.hpp"
#include "sys/stream.hpp"

namespace fastlayers::sys {

namespace {

constexpr int kAttempts = 50;
constexpr std::chrono::milliseconds kPause{1};

enum class Ids { unknown, all, many, one };
std::atomic<Ids> own_ids{Ids::unknown};

Ids read_ids() {
  std::uint64_t first = 1;
  std::uint64_t count = 0;
  for (const char* name : {"/proc/self/uid_map", "/proc/self/gid_map"}) {
    std::uint64_t total = 0;
    std::vector<std::uint64_t> numbers;
    const std::string map = read_file(name, 65536);
    for (std::size_t i = 0; i < map.size(); ++i) {
      if (map[i] < '0' || map[i] > '9') continue;
      if (i == 0 || map[i - 1] == ' ' || map[i - 1] == '\n') numbers.push_back(0);
      numbers.back() = numbers.back() * 10 + static_cast<std::uint64_t>(map[i] - '0');
    }
    for (std::size_t i = 2; i < numbers.size(); i += 3) total += numbers[i];
    if (total == 1) return Ids::one;
    first = numbers.size() == 3 ? numbers[0] + numbers[1] : 1;
    count = total;
  }
  // The initial one maps all 2^32 - 1 ids to themselves.
  return first == 0 && count == 0xffffffff ? Ids::all : Ids::many;
}

Ids ids() {
  Ids known = own_ids;
  if (known == Ids::unknown) own_ids = known = read_ids();
  return known;
}

[[noreturn]] void throw_no_namespace(int error) {
  throw Error(ErrorKind::unsupported,
              "this machine does not let an ordinary user make a user namespace (" +
                  std::generic_category().message(error) + ")",
              error);
}

constexpr std::size_t kStackBytes = 16384;

// A process that only is in a new user namespace, until this object goes.
class Sleeper {
 public:
  Sleeper() {
    if (is_forbidden("user-namespace")) throw_no_namespace(EPERM);
    // It shares our memory: no handler of ours may run in it.
    const BlockedSignals blocked;
    int pidfd = -1;
    parent_ = ::getpid();
    // It need not be copied, and must not be waited for: not a fork, and not a vfork.
    pid_ = ::clone(sleep, stack_ + kStackBytes, CLONE_NEWUSER | CLONE_VM | CLONE_PIDFD | SIGCHLD,
                   this, &pidfd);
    if (pid_ < 0) throw_no_namespace(errno);
    pidfd_ = Fd(pidfd);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    try {
      send_signal(pidfd_, kill_signal());
      reap(pidfd_);
    } catch (const Error&) {
      // The host program reaps all children itself.
    }
  }

  const Fd& pidfd() const { return pidfd_; }
  std::string pid() const { return std::to_string(pid_); }
  std::string proc(const char* name) const { return "/proc/" + pid() + "/" + name; }

 private:
  static int sleep(void* sleeper) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != static_cast<Sleeper*>(sleeper)->parent_) return 0;
    for (;;) ::pause();
  }

  alignas(16) char stack_[kStackBytes];
  int parent_ = 0;
  int pid_ = -1;
  Fd pidfd_;
};

void write_text(const std::string& path, const std::string& text) {
  write_all(open(path, O_WRONLY).get(), as_bytes(text));
}

std::string to_line(const IdRange& range) {
  return std::to_string(range.inside) + " " + std::to_string(range.outside) + " " +
         std::to_string(range.count);
}

// newuidmap or newgidmap at work.
class MapSetter {
 public:
  MapSetter(const char* program, const Sleeper& sleeper, const std::vector<IdRange>& ranges)
      : program_(program) {
    std::vector<std::string> words{program, sleeper.pid()};
    for (const IdRange& range : ranges) {
      words.push_back(std::to_string(range.inside));
      words.push_back(std::to_string(range.outside));
      words.push_back(std::to_string(range.count));
    }
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    Pipe pipe = open_pipe();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), STDERR_FILENO);
    const int error = ::posix_spawnp(&pid_, program, &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw_errno(std::string("run ") + program, error);
    messages_ = std::move(pipe.read_end);
  }
  MapSetter(const MapSetter&) = delete;
  MapSetter& operator=(const MapSetter&) = delete;
  ~MapSetter() {
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }

  void finish() {
    std::string said;
    std::byte buffer[512];
    while (const std::size_t count = read_some(messages_.get(), {buffer, sizeof(buffer)})) {
      said.append(reinterpret_cast<const char*>(buffer), count);
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    throw Error(ErrorKind::system, said.starts_with(program_) ? said : program_ + (": " + said));
  }

 private:
  const char* program_;
  pid_t pid_ = -1;
  Fd messages_;
};

void map_ids(const Sleeper& sleeper, const std::vector<IdRange>& uids,
             const std::vector<IdRange>& gids) {
  const auto is_single = [](const std::vector<IdRange>& ranges) {
    return ranges.size() == 1 && ranges.front().count == 1;
  };
  if (is_single(uids) && is_single(gids)) {
    write_text(sleeper.proc("setgroups"), "deny");
    write_text(sleeper.proc("uid_map"), to_line(uids.front()));
    write_text(sleeper.proc("gid_map"), to_line(gids.front()));
    return;
  }
  MapSetter users("newuidmap", sleeper, uids);
  MapSetter groups("newgidmap", sleeper, gids);
  users.finish();
  groups.finish();
}

}  // namespace

void enter_user_namespace(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids) {
  const Sleeper sleeper;
  map_ids(sleeper, uids, gids);
  if (!join_user_namespace(sleeper.pidfd())) throw_no_namespace(ESRCH);
}

bool join_user_namespace(const Fd& process) {
  int code = EINVAL;
  // A thread that has been joined is still counted for a moment.
  for (int i = 0; code == EINVAL && i < kAttempts; ++i) {
    if (i > 0) std::this_thread::sleep_for(kPause);
    code = ::setns(process.get(), CLONE_NEWUSER) == 0 ? 0 : errno;
  }
  if (code == ESRCH) return false;
  if (code == EINVAL) {
    throw Error(ErrorKind::invalid,
                "only a process with one thread can enter a user namespace: do it first, before "
                "threads are started",
                code);
  }
  if (code != 0) throw_no_namespace(code);
  own_ids = Ids::unknown;
  try {
    enter_private_mounts();
  } catch (const Error& error) {
    if (error.errno_value() == EPERM || error.errno_value() == EACCES) {
      throw_no_namespace(error.errno_value());
    }
    throw;
  }
  return true;
}

bool in_initial_user_namespace() { return ids() == Ids::all; }

bool has_single_id() { return ids() == Ids::one; }

std::string missing_ids_advice() {
  return has_single_id() ? "this user namespace has one id only; give this user ids in /etc/subuid "
                           "and /etc/subgid, and install newuidmap (Debian's package uidmap)"
                         : "this user namespace does not have such an id; give it more ids in "
                           "/etc/subuid and /etc/subgid";
}

}  // namespace fastlayers::sys
