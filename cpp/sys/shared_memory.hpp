// Memory that processes share.
#pragma once

#include <cstddef>

#include "sys/fd.hpp"

namespace fastlayers::sys {

// With the children that this process will have. Zeroed, for as long as the process lives; throws
// Error.
void* share_memory(std::size_t bytes);

// With whoever gets the descriptor and maps it. Zeroed; no program can be executed from it.
Fd memory_file(std::size_t bytes);

}  // namespace fastlayers::sys
