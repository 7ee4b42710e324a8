// Which file system a path lies on, by the name people know it under.
#pragma once

#include <string>

namespace fastlayers::sys {

// "ext4", "tmpfs", ...; "an unknown file system" where the name is not on our list.
std::string file_system_name(const std::string& path);

}  // namespace fastlayers::sys
