// Child: the last steps of a container's first process, up to execve(2).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/account.hpp"
#include "run/command.hpp"
#include "run/process_spec.hpp"
#include "run/stdio.hpp"
#include "run/step.hpp"
#include "sys/process.hpp"

namespace fastlayers::run {

// Everything that is known when the root stands. It lives in the parent's frame: the child, which
// shares its memory, fills it in and notes here why it failed; the parent frees it.
struct Program {
  Command command;
  std::vector<std::string> environment;
  Account account;
  const ProcessSpec* spec = nullptr;
  sys::Fd listener;  // of emulation_filter(), where that is needed
  Streams streams;
  bool init = false;   // the porter stays, as the first process of the container
  bool joins = false;  // a sibling of the porter is to be the process, in the container
  int parent_fd = -1;  // or from open_pidfd_of_caller() of a parent that it must not outlive
  std::vector<char*> argv_pointers;
  std::vector<char*> environment_pointers;

  Failure failure{Step::descriptors, 0};  // error 0: the command has been executed
};

// Has the command executed by the porter (porter.cc), where its file cannot be trusted to stay what
// it was when it was looked at, and in a process that shares no memory with us.
class Porter {
 public:
  explicit Porter(const Program& program);
  // In the parent: waits until the command has been executed, or says why it was not.
  Failure wait();
  // Behind wait(): the sibling of one that joins; none if it did not come so far.
  std::optional<sys::Child> sibling() const;
  // In the child, with all signals blocked: executes the porter, or ends the process.
  [[noreturn]] void execute(Program& program);

 private:
  sys::Fd program_;  // sealed
  sys::Fd number_;   // a page; of one that joins only
  sys::Fd read_end_;
  sys::Fd write_end_;
  std::vector<char*> arguments_;
};

// The first steps of a child that shared all with its parent: its own descriptors, of which `stdio`
// (each above 2) become the standard streams; default signals, and a session of its own.
Failure stand_alone(const int (&stdio)[3]) noexcept;

// What execve(2) wants; `strings` must stay as they are.
std::vector<char*> pointers_to(const std::vector<std::string>& strings);

// Executes it or ends the process; called in the child with all signals blocked.
[[noreturn]] void execute(Program& program);

// In the parent: why there is no program running. `name` is what the caller asked for.
[[noreturn]] void throw_failure(const Program& program, const std::string& name);

}  // namespace fastlayers::run
