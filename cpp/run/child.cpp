#include "run/child.hpp"

#include <cerrno>
#include <cstdint>
#include <span>
#include <system_error>

#include "base/error.hpp"
#include "run/porter.hpp"
#include "sys/child_setup.hpp"
#include "sys/credentials.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"
#include "sys/shared_memory.hpp"
#include "sys/stream.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::run {

namespace {

constexpr unsigned kFileMask = 022;
constexpr int kFailed = 127;

constexpr const char* name_of(Step step) {
  switch (step) {
    case Step::descriptors:
      return "separate its descriptors";
    case Step::session:
      return "start a session";
    case Step::joining:
      return "join the container's processes";
    case Step::stdio:
      return "set up the standard streams";
    case Step::terminal:
      return "take the terminal";
    case Step::keyring:
      return "make a keyring";
    case Step::identity:
      return "take on the user's identity";
    case Step::parent:
      return "tie it to its parent";
    case Step::limits:
      return "set its ulimits";
    case Step::confinement:
      return "confine it";
    case Step::search:
    case Step::execute:
      break;
  }
  return "execute the command";
}

sys::Credentials credentials_of(const Program& program) {
  const Account& account = program.account;
  // It only believes to be somebody else, but at least it is not as mighty as root.
  if (program.listener)
    return {0, 0, nullptr, 0, account.uid == 0 ? program.spec->confinement.capabilities : 0};
  return {account.uid, account.gid, account.groups.data(), account.groups.size(),
          program.spec->confinement.capabilities};
}

// The last that happens. The filter comes before the capabilities go, as one of them is needed for
// it, so that a profile has to let one call pass, capset(2), besides those that execute.
int confine(const Program& program, const sys::Credentials& credentials) {
  const Confinement& confinement = program.spec->confinement;
  int error = confinement.no_new_privileges ? sys::child::forbid_new_privileges() : 0;
  if (error == 0 && !confinement.filter.empty()) {
    error = sys::child::install_filter(confinement.filter, confinement.filter_flags);
  }
  return error != 0 ? error : sys::drop_capabilities(credentials);
}

// Becomes what the program is to be, but for its descriptors.
Failure change(const Program& program) {
  namespace child = sys::child;
  const sys::Fd(&streams)[3] = program.streams.child;
  const Failure alone = stand_alone({streams[0].get(), streams[1].get(), streams[2].get()});
  if (alone.error != 0) return alone;
  int error = 0;
  if (program.spec->tty && !program.joins && (error = child::take_terminal()) != 0) {
    return {Step::terminal, error};
  }
  if ((error = child::new_session_keyring()) != 0) return {Step::keyring, error};
  const sys::Credentials credentials = credentials_of(program);
  error = sys::become(credentials, sys::last_capability());
  if (error != 0) return {Step::identity, error};
  if (program.parent_fd >= 0 && (error = child::die_with_parent(program.parent_fd)) != 0) {
    return {Step::parent, error};
  }
  for (const Ulimit& limit : program.spec->ulimits) {
    if ((error = child::set_limit(limit.resource, limit.soft, limit.hard)) != 0) {
      return {Step::limits, error};
    }
  }
  return {Step::confinement, confine(program, credentials)};
}

Failure execute_candidates(const Program& program) {
  namespace child = sys::child;
  // Really closed, not at execve(2): the path to be executed could name one of them.
  if (const int error = child::close_from(3); error != 0) return {Step::descriptors, error};
  child::unblock_signals();
  for (const auto& path : program.command.candidates) {
    if (!child::may_execute(path.c_str())) continue;
    return {Step::execute, child::execute(path.c_str(), program.argv_pointers.data(),
                                          program.environment_pointers.data())};
  }
  return {Step::search, EACCES};
}

}  // namespace

Failure stand_alone(const int (&stdio)[3]) noexcept {
  namespace child = sys::child;
  if (const int error = child::own_descriptors(); error != 0) return {Step::descriptors, error};
  child::default_signals();
  child::set_file_mask(kFileMask);
  if (const int error = child::new_session(); error != 0) return {Step::session, error};
  return {Step::stdio, child::install_stdio(stdio)};
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  // execve(2) does not change them; its type is older than const.
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

void execute(Program& program) {
  program.failure = change(program);
  if (program.failure.error == 0) program.failure = execute_candidates(program);
  sys::child::leave(kFailed);
}

Porter::Porter(const Program& program) : program_(sys::sealed_program(porter_program())) {
  sys::Pipe pipe = sys::open_pipe();
  read_end_ = std::move(pipe.read_end);
  write_end_ = std::move(pipe.write_end);
  static char once[] = "porter";
  static char stays[] = "init";
  static char joins[] = "join";
  static char joins_terminal[] = "join-terminal";
  static char end_of_candidates[] = "";
  const std::vector<char*> candidates = pointers_to(program.command.candidates);
  arguments_ = {program.init ? stays : once};
  if (program.joins) {
    arguments_ = {program.spec->tty ? joins_terminal : joins};
    number_ = sys::memory_file(kPage);
  }
  arguments_.insert(arguments_.end(), candidates.begin(), candidates.end());
  arguments_.back() = end_of_candidates;
  arguments_.insert(arguments_.end(), program.argv_pointers.begin(), program.argv_pointers.end());
}

Failure Porter::wait() {
  write_end_.close();
  Failure failure{Step::descriptors, 0};
  sys::read_some(read_end_.get(), {reinterpret_cast<std::byte*>(&failure), sizeof(failure)});
  return failure;
}

std::optional<sys::Child> Porter::sibling() const {
  std::int32_t pid = 0;
  sys::read_at(number_.get(), {reinterpret_cast<std::byte*>(&pid), sizeof(pid)}, 0);
  if (pid == 0) return std::nullopt;
  return sys::child_of_number(pid);
}

void Porter::execute(Program& program) {
  namespace child = sys::child;
  int fds[] = {write_end_.get(), number_.get(), program_.get()};
  std::span<int> gathered = fds;
  if (!number_) {
    fds[1] = fds[2];
    gathered = gathered.first(2);
  }
  Failure failure = change(program);
  if (failure.error == 0) {
    failure = {Step::descriptors, child::gather(gathered, kReport)};
    if (failure.error == 0) {
      child::unblock_signals();
      failure = {Step::execute, child::execute_open(gathered.back(), arguments_.data(),
                                                    program.environment_pointers.data())};
    }
  }
  child::say(fds[0], &failure, sizeof(failure));
  child::leave(kFailed);
}

void throw_failure(const Program& program, const std::string& name) {
  const std::string prefix = "exec: \"" + name + "\": ";
  if (program.failure.step == Step::search) {
    if (program.command.searched) {
      throw Error(ErrorKind::command_not_found, prefix + "executable file not found in $PATH",
                  ENOENT);
    }
    throw Error(ErrorKind::not_executable, prefix + "permission denied", EACCES);
  }
  if (program.failure.step == Step::identity && program.failure.error == EINVAL) {
    const Account& account = program.account;
    throw Error(ErrorKind::unsupported,
                "the command cannot run as " + std::to_string(account.uid) + ":" +
                    std::to_string(account.gid) + ": " + sys::missing_ids_advice(),
                EINVAL);
  }
  if (program.failure.step != Step::execute) {
    throw_errno(std::string("start the container: ") + name_of(program.failure.step),
                program.failure.error);
  }
  switch (program.failure.error) {
    case ENOENT:
    case ENOTDIR:
      throw Error(ErrorKind::command_not_found, prefix + "no such file or directory",
                  program.failure.error);
    case EACCES:
      throw Error(ErrorKind::not_executable, prefix + "permission denied", program.failure.error);
    case ENOEXEC:
      throw Error(ErrorKind::not_executable, prefix + "exec format error", program.failure.error);
    default:
      throw Error(ErrorKind::not_executable,
                  prefix + std::generic_category().message(program.failure.error),
                  program.failure.error);
  }
}

}  // namespace fastlayers::run
