// What the product's own timers cost, off and on.
#include "base/profile.hpp"

#include "benchmarks.hpp"

namespace micro {

namespace {

using namespace fastlayers;

constexpr std::uint64_t kTimers = 1'000'000;

void make_timers() {
  for (std::uint64_t i = 0; i < kTimers; ++i) {
    const ProfileTimer timer(ProfilePart::merge);
    asm volatile("" ::: "memory");  // each is made for itself
  }
}

}  // namespace

Figures profile_figures(const Context& context) {
  static ProfileCounters counters{};
  start_profile(counters);
  make_timers();
  const Profile profile = stop_profile();
  require(profile.parts.at(0).calls == kTimers, "timer", "another number of calls");
  Figure off{"timer, off", 0, kTimers, measure(context.rounds, make_timers), ""};
  start_profile(counters);
  Figure on{"timer, on", 0, kTimers, measure(context.rounds, make_timers), ""};
  stop_profile();
  return {off, on};
}

}  // namespace micro
