#include "run/root_emulation.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "diff/owner.hpp"
#include "seccomp/profile.hpp"
#include "seccomp/syscall_table.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

// mknod(2) says by these bits what is to be made.
constexpr std::uint64_t kTypeMask = 0170000;
constexpr std::uint64_t kCharacter = 0020000;
constexpr std::uint64_t kBlock = 0060000;

constexpr std::size_t kMaxGroups = 65536;
constexpr std::size_t kManyThreads = 1024;

enum class Call {
  get_uid,
  get_euid,
  get_gid,
  get_egid,
  get_resuid,
  get_resgid,
  get_groups,
  set_uid,
  set_gid,
  set_reuid,
  set_regid,
  set_resuid,
  set_resgid,
  set_groups,
  chown,
  lchown,
  fchown,
  fchownat,
};

constexpr std::pair<std::string_view, Call> kCalls[] = {
    {"getuid", Call::get_uid},       {"geteuid", Call::get_euid},
    {"getgid", Call::get_gid},       {"getegid", Call::get_egid},
    {"getresuid", Call::get_resuid}, {"getresgid", Call::get_resgid},
    {"getgroups", Call::get_groups}, {"setuid", Call::set_uid},
    {"setgid", Call::set_gid},       {"setreuid", Call::set_reuid},
    {"setregid", Call::set_regid},   {"setresuid", Call::set_resuid},
    {"setresgid", Call::set_resgid}, {"setgroups", Call::set_groups},
    {"chown", Call::chown},          {"lchown", Call::lchown},
    {"fchown", Call::fchown},        {"fchownat", Call::fchownat},
};

struct Found {
  Call call;
  bool is_native;
};

std::optional<Found> find_call(const sys::WaitingCall& call) {
  const auto abis = seccomp::abis();
  for (std::size_t abi = 0; abi < abis.size(); ++abi) {
    if (abis[abi].audit_architecture != call.architecture) continue;
    for (const auto& [name, asked] : kCalls) {
      if (seccomp::number_of(name, abi) == call.number) return Found{asked, abi == 0};
    }
  }
  return std::nullopt;
}

bool asks_only(Call call) { return call <= Call::get_groups; }

seccomp::Rule no_device(std::string_view name, unsigned mode_argument, std::uint64_t type) {
  return {{name},
          sys::kAnswerErrno,
          {{mode_argument, seccomp::Operator::masked_equal, kTypeMask, type, true}}};
}

// When a thread started, in ticks since boot; 0 if there is none of that number.
std::uint64_t start_of(int thread) {
  const auto file = sys::try_open("/proc/" + std::to_string(thread) + "/stat", O_RDONLY);
  if (!file) return 0;
  char text[1024] = {};
  std::size_t size = 0;
  try {
    size = sys::read_some(file->get(), {reinterpret_cast<std::byte*>(text), sizeof(text) - 1});
  } catch (const Error&) {
    return 0;  // it ended while we looked
  }
  // Behind the name, which may contain anything, the fields begin with the third.
  const std::string_view line(text, size);
  std::size_t at = line.rfind(')');
  for (int field = 2; field < 22 && at != std::string_view::npos; ++field) {
    at = line.find(' ', at + 1);
  }
  return at == std::string_view::npos ? 0 : std::strtoull(text + at + 1, nullptr, 10);
}

// The thread's process, or a process's parent; 0 where there is none that we see.
int origin_of(int thread) {
  const auto file = sys::try_open("/proc/" + std::to_string(thread) + "/status", O_RDONLY);
  if (!file) return 0;
  char text[2048] = {};
  try {
    sys::read_some(file->get(), {reinterpret_cast<std::byte*>(text), sizeof(text) - 1});
  } catch (const Error&) {
    return 0;
  }
  const auto number = [&text](const char* key) {
    const char* at = std::strstr(text, key);
    return at == nullptr ? 0 : std::atoi(at + std::strlen(key));
  };
  const int process = number("\nTgid:");
  return process != thread ? process : number("\nPPid:");
}

std::uint32_t argument(const sys::WaitingCall& call, unsigned index) {
  return static_cast<std::uint32_t>(call.arguments[index]);
}

Ids three_arguments(const sys::WaitingCall& call) {
  return {argument(call, 0), argument(call, 1), argument(call, 2)};
}

int tell_all(const sys::WaitingCall& call, const Ids& ids) {
  for (unsigned i = 0; i < ids.size(); ++i) {
    if (!sys::write_memory(call, call.arguments[i], std::as_bytes(std::span(&ids[i], 1)))) {
      return EFAULT;
    }
  }
  return 0;
}

int read_groups(const sys::WaitingCall& call, std::vector<std::uint32_t>& groups) {
  const std::size_t count = argument(call, 0);
  if (count > kMaxGroups) return EINVAL;
  groups.resize(count);
  const auto room = std::as_writable_bytes(std::span(groups));
  return sys::read_memory(call, call.arguments[1], room) ? 0 : EFAULT;
}

// Where a path of a call begins: the directory, and its path inside the caller's root. From outside
// of its mount namespace the kernel shows paths as they are inside.
std::string absolute(const std::string& proc, int directory, const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::string link =
      directory == AT_FDCWD ? proc + "cwd" : proc + "fd/" + std::to_string(directory);
  return sys::read_link_at(AT_FDCWD, link) + "/" + path;
}

std::optional<sys::Fd> open_given(const sys::WaitingCall& call, Call kind) {
  const std::string proc = "/proc/" + std::to_string(call.thread) + "/";
  const auto by_descriptor = [&](int fd) {
    return sys::try_open(proc + "fd/" + std::to_string(fd), O_PATH);
  };
  if (kind == Call::fchown) return by_descriptor(static_cast<int>(argument(call, 0)));
  const bool at = kind == Call::fchownat;
  const int directory = at ? static_cast<int>(argument(call, 0)) : AT_FDCWD;
  const std::uint32_t flags = at ? argument(call, 4) : 0;
  const auto path = sys::read_path(call, call.arguments[at ? 1 : 0]);
  if (!path) {
    errno = EFAULT;
    return std::nullopt;
  }
  if (path->empty() && (flags & AT_EMPTY_PATH) != 0) return by_descriptor(directory);
  if (path->empty()) {
    errno = ENOENT;
    return std::nullopt;
  }
  const auto root = sys::try_open(proc + "root", O_PATH | O_DIRECTORY);
  if (!root) return std::nullopt;
  const bool follow = kind == Call::chown || (at && (flags & AT_SYMLINK_NOFOLLOW) == 0);
  return sys::try_open_in_root(root->get(), absolute(proc, directory, *path),
                               follow ? O_PATH : O_PATH | O_NOFOLLOW);
}

// Files of the container's own; in volumes and on other file systems it means nothing.
int give_away(const sys::Fd& listener, const sys::WaitingCall& call, Call kind, bool privileged) {
  const unsigned at = kind == Call::fchownat ? 2 : 1;
  const std::uint32_t uid = argument(call, at);
  const std::uint32_t gid = argument(call, at + 1);
  if (uid != kKeepId && !privileged) return EPERM;
  try {
    const auto file = open_given(call, kind);
    if (!file) return errno;
    if (!sys::still_waits(listener, call)) return 0;
    const auto root = sys::try_open("/proc/" + std::to_string(call.thread) + "/root", O_PATH);
    if (!root || sys::stat_fd(root->get()).st_dev != sys::stat_fd(file->get()).st_dev) return 0;
    diff::note_owner(file->get(), uid, gid);
  } catch (const Error& error) {
    return error.errno_value() == 0 ? EIO : error.errno_value();
  }
  return 0;
}

}  // namespace

sys::FilterProgram emulation_filter() {
  seccomp::Profile profile;
  profile.default_answer = sys::kAnswerAllow;
  profile.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"};
  // An error of 0: the call is not made, and has succeeded. Of interfaces that are not this
  // machine's own nobody is told another identity.
  profile.rules.push_back({{"chown32", "fchown32", "lchown32", "setfsuid", "setfsuid32", "setfsgid",
                            "setfsgid32", "setuid32", "setgid32", "setreuid32", "setregid32",
                            "setresuid32", "setresgid32", "setgroups32"},
                           sys::kAnswerErrno,
                           {}});
  for (const std::uint64_t type : {kCharacter, kBlock}) {
    profile.rules.push_back(no_device("mknod", 1, type));
    profile.rules.push_back(no_device("mknodat", 2, type));
  }
  for (const auto& [name, call] : kCalls) {
    profile.rules.push_back({{name}, sys::kAnswerListen, {}});
  }
  return seccomp::compile(profile);
}

RootEmulation::RootEmulation(sys::Fd listener, Identity first)
    : listener_(std::move(listener)), first_(std::move(first)) {}

void RootEmulation::step() {
  try {
    const auto call = sys::receive_call(listener_);
    if (call) answer(*call);
  } catch (const Error&) {
    // The container must not wait for ever, nor end for that: from now on these calls fail.
    listener_.close();
  }
}

void RootEmulation::outlive_caller() {
  if (!listener_ || sys::has_hung_up(listener_.get())) return;
  const int listener = listener_.get();
  sys::leave_to_daemon(listener, [this] {
    while (listener_ && !sys::has_hung_up(listener_.get())) {
      sys::Watch watches[] = {{listener_.get(), true, false, false}};
      if (sys::wait_ready(watches, -1) == sys::Wait::ready && !sys::has_hung_up(listener_.get())) {
        step();
      }
    }
  });
}

Identity& RootEmulation::identity_of(int thread) {
  const std::uint64_t started = start_of(thread);
  if (const auto at = known_.find(thread); at != known_.end() && at->second.started == started) {
    return at->second.identity;
  }
  if (known_.size() > kManyThreads) forget_dead();
  Identity identity = first_;
  for (int at = origin_of(thread); at > 1; at = origin_of(at)) {
    const auto found = known_.find(at);
    if (found == known_.end() || found->second.started != start_of(at)) continue;
    identity = found->second.identity;
    break;
  }
  return known_.insert_or_assign(thread, Known{started, std::move(identity)})
      .first->second.identity;
}

void RootEmulation::forget_dead() {
  std::erase_if(known_, [](const auto& one) { return start_of(one.first) != one.second.started; });
}

void RootEmulation::answer(const sys::WaitingCall& call) {
  const auto found = find_call(call);
  if (!found || call.thread == 0) return sys::let_call_pass(listener_, call);
  if (!found->is_native) {
    if (asks_only(found->call)) return sys::let_call_pass(listener_, call);
    return sys::answer_call(listener_, call, 0, 0);
  }
  Identity& self = identity_of(call.thread);
  Identity next = self;
  const bool privileged = self.is_root();
  std::int64_t value = 0;
  int error = 0;
  switch (found->call) {
    case Call::get_uid:
      value = self.users[0];
      break;
    case Call::get_euid:
      value = self.users[1];
      break;
    case Call::get_gid:
      value = self.groups[0];
      break;
    case Call::get_egid:
      value = self.groups[1];
      break;
    case Call::get_resuid:
      error = tell_all(call, self.users);
      break;
    case Call::get_resgid:
      error = tell_all(call, self.groups);
      break;
    case Call::get_groups: {
      value = static_cast<std::int64_t>(self.supplementary.size());
      const auto room = static_cast<std::int32_t>(argument(call, 0));
      if (room < 0 || (room > 0 && room < value)) {
        error = EINVAL;
      } else if (room > 0 && !sys::write_memory(call, call.arguments[1],
                                                std::as_bytes(std::span(self.supplementary)))) {
        error = EFAULT;
      }
      break;
    }
    case Call::set_uid:
      error = set_id(next.users, argument(call, 0), privileged);
      break;
    case Call::set_gid:
      error = set_id(next.groups, argument(call, 0), privileged);
      break;
    case Call::set_reuid:
      error = set_real_effective(next.users, argument(call, 0), argument(call, 1), privileged);
      break;
    case Call::set_regid:
      error = set_real_effective(next.groups, argument(call, 0), argument(call, 1), privileged);
      break;
    case Call::set_resuid:
      error = set_all(next.users, three_arguments(call), privileged);
      break;
    case Call::set_resgid:
      error = set_all(next.groups, three_arguments(call), privileged);
      break;
    case Call::set_groups:
      error = privileged ? read_groups(call, next.supplementary) : EPERM;
      break;
    case Call::chown:
    case Call::lchown:
    case Call::fchown:
    case Call::fchownat:
      error = give_away(listener_, call, found->call, privileged);
      break;
  }
  if (!sys::still_waits(listener_, call)) return;  // what was read was perhaps another's
  if (error == 0) self = std::move(next);
  sys::answer_call(listener_, call, value, error);
}

}  // namespace fastlayers::run
