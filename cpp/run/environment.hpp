// The environment a container's process starts with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fastlayers::run {

inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct EnvironmentDefaults {
  std::string hostname;
  std::string home;
  bool tty = false;
};

// Docker's order: PATH, HOSTNAME and, on a terminal, TERM, each overridden by the caller's; then
// the caller's; then HOME where it is not set. Of one name given twice the later value counts.
// Throws Error(invalid) for an entry without a name, without '=' or with a NUL.
std::vector<std::string> make_environment(const std::vector<std::string>& wanted,
                                          const EnvironmentDefaults& defaults);

// The value, or "" where it is not set.
std::string_view value_of(const std::vector<std::string>& environment, std::string_view name);

}  // namespace fastlayers::run
