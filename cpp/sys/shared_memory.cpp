#include "sys/shared_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace fastlayers::sys {

void* share_memory(std::size_t bytes) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw_errno("share memory with child processes");
  return address;
}

Fd memory_file(std::size_t bytes) {
  constexpr unsigned kNoProgram = 8;  // MFD_NOEXEC_SEAL (Linux 6.3)
  Fd file(::memfd_create("fastlayers", MFD_CLOEXEC | kNoProgram));
  if (!file && errno == EINVAL) file = Fd(::memfd_create("fastlayers", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) {
    throw_errno("make a file in memory");
  }
  return file;
}

}  // namespace fastlayers::sys
