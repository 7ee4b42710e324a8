#include "base/profile.hpp"

#include <chrono>

#include "base/error.hpp"

namespace fastlayers {

namespace {

constexpr std::array<std::string_view, kProfileParts> kNames = {
    "interpreter", "network",    "read",       "inflate",   "compress",     "hash_blob",
    "hash_tar",    "hash_files", "record",     "walk",      "write",        "document",
    "table",       "sync",       "merge",      "index",     "tree",         "mount",
    "start",       "container",  "wait_input", "wait_room", "wait_workers", "other"};

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

thread_local ProfileTimer* innermost = nullptr;
thread_local bool is_first_thread = false;

// Of this process alone: a child's time is its parent's waiting.
std::uint64_t began_ns = 0;
std::uint64_t first_thread_ns = 0;  // in outermost timers

ProfileCounters::Part& counter(ProfileCounters& counters, ProfilePart part) {
  return counters.parts[static_cast<std::size_t>(part)];
}

void count(ProfileCounters::Part& part, std::uint64_t busy_ns, std::uint64_t bytes) {
  part.busy_ns.fetch_add(busy_ns, std::memory_order_relaxed);
  part.calls.fetch_add(1, std::memory_order_relaxed);
  part.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace

std::string_view name_of(ProfilePart part) { return kNames[static_cast<std::size_t>(part)]; }

ProfilePart profile_part(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ProfilePart>(i);
  }
  throw Error(ErrorKind::invalid, "a profile has no part \"" + std::string(name) + "\"");
}

void start_profile(ProfileCounters& counters) {
  for (ProfileCounters::Part& part : counters.parts) {
    part.busy_ns = 0;
    part.calls = 0;
    part.bytes = 0;
  }
  is_first_thread = true;
  first_thread_ns = 0;
  began_ns = now_ns();
  ProfileTimer::active_.store(&counters);
}

Profile stop_profile() {
  Profile profile;
  ProfileCounters* counters = ProfileTimer::active_.exchange(nullptr);
  if (counters == nullptr) throw Error(ErrorKind::invalid, "no profile was started");
  const std::uint64_t elapsed_ns = now_ns() - began_ns;
  is_first_thread = false;
  count(counter(*counters, ProfilePart::other),
        elapsed_ns > first_thread_ns ? elapsed_ns - first_thread_ns : 0, 0);
  profile.wall_ns = elapsed_ns + counter(*counters, ProfilePart::interpreter).busy_ns;
  for (std::size_t i = 0; i < kProfileParts; ++i) {
    const ProfileCounters::Part& part = counters->parts[i];
    if (part.calls == 0) continue;
    profile.parts.push_back({kNames[i], part.busy_ns, part.calls, part.bytes});
  }
  return profile;
}

void add_to_profile(ProfilePart part, std::uint64_t busy_ns, std::uint64_t bytes) {
  ProfileCounters* counters = ProfileTimer::active_.load(std::memory_order_relaxed);
  if (counters != nullptr) count(counter(*counters, part), busy_ns, bytes);
}

void ProfileTimer::begin(ProfileCounters& counters, ProfilePart part, std::uint64_t bytes) {
  counters_ = &counters;
  part_ = part;
  bytes_ = bytes;
  inner_ns_ = 0;
  outer_ = innermost;
  innermost = this;
  began_ns_ = now_ns();
}

void ProfileTimer::end() {
  const std::uint64_t elapsed_ns = now_ns() - began_ns_;
  innermost = outer_;
  if (outer_ != nullptr) {
    outer_->inner_ns_ += elapsed_ns;
  } else if (is_first_thread) {
    first_thread_ns += elapsed_ns;
  }
  count(counter(*counters_, part_), elapsed_ns > inner_ns_ ? elapsed_ns - inner_ns_ : 0, bytes_);
}

}  // namespace fastlayers
