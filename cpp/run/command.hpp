// Command: which file of the root a command line means.
//
// Refused is what leads out of the container: a file reached through a magic link (/proc/self/exe
// is the host's program as long as the container's has not been executed), be it the program itself
// or the interpreter its first line names. Whether the container's user may execute a candidate is
// asked later, as that user.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fastlayers::run {

struct Command {
  std::vector<std::string> candidates;  // paths inside the root; the first executable one counts
  bool searched = false;                // in PATH, so that none executable means "not found"
};

// The absolute directories of PATH joined with the name, in order.
std::vector<std::string> candidate_paths(std::string_view name, std::string_view path);

// `directory` is the absolute working directory, for names like "./run". Throws Error:
// command_not_found, not_executable.
Command find_command(int root_fd, const std::string& name, std::string_view path,
                     const std::string& directory);

}  // namespace fastlayers::run
