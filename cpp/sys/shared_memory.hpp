// Memory that this process shares with the children it will have.
#pragma once

#include <cstddef>

namespace fastlayers::sys {

// Zeroed, for as long as the process lives; throws Error.
void* share_memory(std::size_t bytes);

}  // namespace fastlayers::sys
