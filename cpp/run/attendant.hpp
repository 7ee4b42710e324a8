// Attendant: a program on the host that serves one container and ends with who runs that.
#pragma once

#include <string>
#include <vector>

#include "sys/process.hpp"

namespace fastlayers::run {

// Starts argv[0], a path, in a session of its own, so that no terminal's signals reach it; it is
// killed when the calling thread ends, however that comes about. Standard output and error are both
// `output_fd`. Returns when it executes; throws why it does not.
sys::Child spawn_attendant(const std::vector<std::string>& argv, int stdin_fd, int output_fd);

}  // namespace fastlayers::run
