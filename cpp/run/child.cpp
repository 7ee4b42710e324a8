#include "run/child.hpp"

#include <cerrno>
#include <system_error>

#include "base/error.hpp"
#include "sys/child_setup.hpp"
#include "sys/credentials.hpp"

namespace fastlayers::run {

namespace {

using Step = Program::Step;

constexpr unsigned kFileMask = 022;
constexpr int kFailed = 127;

constexpr const char* name_of(Step step) {
  switch (step) {
    case Step::descriptors:
      return "separate its descriptors";
    case Step::session:
      return "start a session";
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
    case Step::search:
    case Step::execute:
      break;
  }
  return "execute the command";
}

void check(Program& program, Step step, int error) {
  if (error == 0) return;
  program.step = step;
  program.error = error;
  sys::child::leave(kFailed);
}

sys::Credentials credentials_of(const Account& account) {
  return {account.uid, account.gid, account.groups.data(), account.groups.size(),
          sys::default_capabilities()};
}

}  // namespace

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  // execve(2) does not change them; its type is older than const.
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

void execute(Program& program) {
  namespace child = sys::child;
  const sys::Fd(&streams)[3] = program.streams.child;
  const int stdio[3] = {streams[0].get(), streams[1].get(), streams[2].get()};
  check(program, Step::descriptors, child::own_descriptors());
  child::default_signals();
  child::set_file_mask(kFileMask);
  check(program, Step::session, child::new_session());
  check(program, Step::stdio, child::install_stdio(stdio));
  if (program.tty) check(program, Step::terminal, child::take_terminal());
  check(program, Step::keyring, child::new_session_keyring());
  check(program, Step::identity,
        sys::become(credentials_of(program.account), sys::last_capability()));
  if (program.parent_fd >= 0) {
    check(program, Step::parent, child::die_with_parent(program.parent_fd));
  }
  // Really closed, not at execve(2): the path to be executed could name one of them.
  check(program, Step::descriptors, child::close_from(3));
  child::unblock_signals();
  for (const auto& path : program.command.candidates) {
    if (!child::may_execute(path.c_str())) continue;
    check(program, Step::execute,
          child::execute(path.c_str(), program.argv_pointers.data(),
                         program.environment_pointers.data()));
  }
  check(program, Step::search, EACCES);
  child::leave(kFailed);
}

void throw_failure(const Program& program, const std::string& name) {
  const std::string prefix = "exec: \"" + name + "\": ";
  if (program.step == Step::search) {
    if (program.command.searched) {
      throw Error(ErrorKind::command_not_found, prefix + "executable file not found in $PATH",
                  ENOENT);
    }
    throw Error(ErrorKind::not_executable, prefix + "permission denied", EACCES);
  }
  if (program.step != Step::execute) {
    throw_errno(std::string("start the container: ") + name_of(program.step), program.error);
  }
  switch (program.error) {
    case ENOENT:
    case ENOTDIR:
      throw Error(ErrorKind::command_not_found, prefix + "no such file or directory",
                  program.error);
    case EACCES:
      throw Error(ErrorKind::not_executable, prefix + "permission denied", program.error);
    case ENOEXEC:
      throw Error(ErrorKind::not_executable, prefix + "exec format error", program.error);
    default:
      throw Error(ErrorKind::not_executable,
                  prefix + std::generic_category().message(program.error), program.error);
  }
}

}  // namespace fastlayers::run
