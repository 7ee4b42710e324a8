#include "sys/fd.hpp"

#include <unistd.h>

namespace fastlayers::sys {

void Fd::close() noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

}  // namespace fastlayers::sys
