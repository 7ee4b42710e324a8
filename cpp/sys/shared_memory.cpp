#include "sys/shared_memory.hpp"

#include <sys/mman.h>

#include "base/error.hpp"

namespace fastlayers::sys {

void* share_memory(std::size_t bytes) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw_errno("share memory with child processes");
  return address;
}

}  // namespace fastlayers::sys
