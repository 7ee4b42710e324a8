// Attend: having a container's first process born, and staying with it to its end.
#pragma once

#include <functional>

#include "run/birth.hpp"
#include "run/launch.hpp"

namespace fastlayers::run {

// What is the same of every way in which a container can be started: see launch(). `birth` gets the
// spec as it has been checked.
ExitStatus attend_launch(const LaunchSpec& spec,
                         const std::function<Newborn(const LaunchSpec& spec)>& birth,
                         const std::function<void(int pid)>& started);

}  // namespace fastlayers::run
