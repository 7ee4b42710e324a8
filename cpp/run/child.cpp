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
  program.step = step;
  program.error = error;
  if (error != 0) sys::child::leave(kFailed);
}

// The pointers are lost to the heap that is shared with the parent unless they are kept there.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  // execve(2) does not change them; its type is older than const.
  for (const auto& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

}  // namespace fastlayers::run
