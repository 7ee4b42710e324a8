// LoopDevice: a read-only block device over a file, for kernels or file systems that give EROFS
// no other way. It goes away by itself when neither this object nor a mount uses it any more.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

class LoopDevice {
 public:
  // Throws Error(unsupported) where there are no loop devices, Error(system) otherwise.
  explicit LoopDevice(const std::string& file);
  const std::string& path() const { return path_; }

 private:
  bool configure(int control, int file, const std::string& name);

  Fd fd_;
  std::string path_;
};

}  // namespace fastlayers::sys
