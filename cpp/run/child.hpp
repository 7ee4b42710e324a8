// Child: the last steps of a container's first process, up to execve(2).
#pragma once

#include <string>
#include <vector>

#include "run/account.hpp"
#include "run/command.hpp"
#include "run/stdio.hpp"

namespace fastlayers::run {

// Everything that is known when the root stands. It lives in the parent's frame; the child, which
// shares its memory, fills it in, and notes here why it failed.
struct Program {
  Command command;
  std::vector<std::string> environment;
  Account account;
  Streams streams;

  enum class Step {
    descriptors, session, stdio, terminal, keyring, identity, parent, search, execute
  };
  Step step = Step::descriptors;
  int error = 0;  // 0: the program has been executed
};

// Executes it or ends the process; called in the child with all signals blocked. `parent_fd` is -1
// or from open_pidfd_of_caller() of a parent that this process must not outlive.
[[noreturn]] void execute(Program& program, const std::vector<std::string>& argv, bool tty,
                          int parent_fd);

// In the parent: why there is no program running.
[[noreturn]] void throw_failure(const Program& program, const std::string& name);

}  // namespace fastlayers::run
