#include "sys/loop.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "sys/file.hpp"

#ifndef LOOP_CONFIGURE
#error "LOOP_CONFIGURE is missing: kernel headers of Linux 5.8 or later are needed"
#endif

namespace fastlayers::sys {

namespace {

constexpr unsigned kSectorBytes = 512;
constexpr int kAttempts = 1000;

Fd open_control() {
  constexpr const char* kPath = "/dev/loop-control";
  if (auto control = try_open(kPath, O_RDWR)) return std::move(*control);
  const int error = errno;
  if (error == ENOENT || error == ENXIO || error == ENODEV) {
    throw Error(ErrorKind::unsupported,
                std::string("there are no loop devices: ") + kPath + ": " + std::strerror(error),
                error);
  }
  throw_errno(std::string("open ") + kPath, error);
}

void pause_briefly() {
  const timespec pause{0, 1000000};
  ::nanosleep(&pause, nullptr);
}

}  // namespace

LoopDevice::LoopDevice(const std::string& file) {
  const Fd backing = open(file, O_RDONLY);
  const Fd control = open_control();
  // Between the answer of LOOP_CTL_GET_FREE and LOOP_CONFIGURE another process may take the
  // device; then the next one is asked for.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (configure(control.get(), backing.get(), file)) return;
    if (attempt > 8) pause_briefly();
  }
  throw Error(ErrorKind::system, "make a loop device of " + file + ": all are busy", EBUSY);
}

bool LoopDevice::configure(int control, int file, const std::string& name) {
  const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
  if (number < 0) throw_errno("find a free loop device");
  path_ = "/dev/loop" + std::to_string(number);
  auto device = try_open(path_, O_RDONLY);
  if (!device) {
    // A device that was just made may have no node yet.
    if (errno == ENOENT || errno == ENXIO || errno == EBUSY) return false;
    throw_errno("open " + path_);
  }
  loop_config config{};
  config.fd = static_cast<unsigned>(file);
  config.block_size = kSectorBytes;
  config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
  const std::size_t shown = std::min(name.size(), sizeof(config.info.lo_file_name) - 1);
  std::memcpy(config.info.lo_file_name, name.data(), shown);
  if (::ioctl(device->get(), LOOP_CONFIGURE, &config) != 0) {
    if (errno == EBUSY || errno == EAGAIN || errno == EINTR) return false;
    throw_errno("make a loop device of " + name);
  }
  fd_ = std::move(*device);
  return true;
}

}  // namespace fastlayers::sys
