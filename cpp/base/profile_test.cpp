#include "base/profile.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"

namespace fastlayers {
namespace {

using std::chrono::milliseconds;

void pass(int time_ms) { std::this_thread::sleep_for(milliseconds(time_ms)); }

Profile::Part part_of(const Profile& profile, ProfilePart part) {
  for (const Profile::Part& each : profile.parts) {
    if (each.name == name_of(part)) return each;
  }
  return {};
}

std::uint64_t ms(const Profile& profile, ProfilePart part) {
  return part_of(profile, part).busy_ns / 1'000'000;
}

TEST_CASE("every part has a name, and the name finds it") {
  for (std::size_t i = 0; i < kProfileParts; ++i) {
    const auto part = static_cast<ProfilePart>(i);
    CHECK_FALSE(name_of(part).empty());
    CHECK(profile_part(name_of(part)) == part);
  }
  CHECK_THROWS_AS(profile_part("nothing"), Error);
}

TEST_CASE("timers count nothing unless a profile is taken") {
  static ProfileCounters counters{};
  { const ProfileTimer before(ProfilePart::merge, 5); }
  start_profile(counters);
  { const ProfileTimer during(ProfilePart::merge, 7); }
  const Profile profile = stop_profile();
  { const ProfileTimer after(ProfilePart::merge, 9); }
  CHECK(part_of(profile, ProfilePart::merge).calls == 1);
  CHECK(part_of(profile, ProfilePart::merge).bytes == 7);
  CHECK(part_of(profile, ProfilePart::index).calls == 0);
  CHECK_THROWS_AS(stop_profile(), Error);
}

TEST_CASE("a timer within another is taken off it") {
  static ProfileCounters counters{};
  start_profile(counters);
  {
    const ProfileTimer outer(ProfilePart::inflate);
    pass(5);
    {
      ProfileTimer inner(ProfilePart::wait_input);
      inner.add_bytes(3);
      pass(50);
    }
  }
  const Profile profile = stop_profile();
  CHECK(ms(profile, ProfilePart::inflate) >= 5);
  CHECK(ms(profile, ProfilePart::wait_input) >= 50);
  const std::uint64_t parts_ns = part_of(profile, ProfilePart::inflate).busy_ns +
                                 part_of(profile, ProfilePart::wait_input).busy_ns;
  CHECK(parts_ns <= profile.wall_ns);
  CHECK(part_of(profile, ProfilePart::wait_input).bytes == 3);
}

TEST_CASE("other threads count, and only the first thread's gaps are other") {
  static ProfileCounters counters{};
  start_profile(counters);
  pass(20);
  {
    const ProfileTimer waiting(ProfilePart::wait_workers);
    std::thread([] {
      pass(20);
      const ProfileTimer timer(ProfilePart::write, 11);
      pass(20);
    }).join();
  }
  const Profile profile = stop_profile();
  CHECK(ms(profile, ProfilePart::write) >= 20);
  CHECK(part_of(profile, ProfilePart::write).bytes == 11);
  CHECK(ms(profile, ProfilePart::wait_workers) >= 40);
  CHECK(ms(profile, ProfilePart::other) >= 20);
  const std::uint64_t parts_ns = part_of(profile, ProfilePart::wait_workers).busy_ns +
                                 part_of(profile, ProfilePart::other).busy_ns;
  CHECK(parts_ns == profile.wall_ns);
}

TEST_CASE("what was measured elsewhere is added, the interpreter's time to the wall too") {
  static ProfileCounters counters{};
  add_to_profile(ProfilePart::network, 1, 1);
  start_profile(counters);
  add_to_profile(ProfilePart::network, 2'000, 10);
  add_to_profile(ProfilePart::interpreter, 1'000'000'000, 0);
  const Profile profile = stop_profile();
  CHECK(part_of(profile, ProfilePart::network).busy_ns == 2'000);
  CHECK(part_of(profile, ProfilePart::network).bytes == 10);
  CHECK(profile.wall_ns >= 1'000'000'000);
}

}  // namespace
}  // namespace fastlayers
