// Which devices the processes of a control group of version 2 may open, and what for.
#pragma once

#include <string>
#include <vector>

namespace fastlayers::sys {

struct DeviceRule {
  bool is_block = false;
  unsigned major = 0;
  int minor = 0;  // -1: any
  bool read = true;
  bool write = true;
};

// Has the kernel (admin-guide/cgroup-v2.rst, "Device controller") refuse every device to the
// processes of the group, but for these; nodes may be made of any, as with Docker. Nothing if the
// group has a filter already. Throws Error(unsupported) where the kernel takes none.
void restrict_devices(const std::string& group, const std::vector<DeviceRule>& allowed);

}  // namespace fastlayers::sys
