// Where the time goes: named parts with counters, at work only between start_profile() and
// stop_profile().
//
// A ProfileTimer adds the time of its life to a part, less the life of the timers within it on the
// same thread, so that nothing is counted twice. Parts of different threads overlap: together they
// may take longer than the clock on the wall. Off, a timer is one relaxed load and a branch; on,
// two readings of the clock. It belongs around a chunk of 64 KiB and more, never around an entry.
//
// Timers may live on any thread; one ends before those around it. start and stop are for one caller
// at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastlayers {

enum class ProfilePart : unsigned {
  interpreter,   // until the command line was read (CPU time)
  network,       // requests, and waiting for bodies
  read,          // layers out of files and pipes
  inflate,       // gzip and zstd
  compress,      // the other way, for a push: the thread that hands out the blocks
  hash_blob,     // SHA-256 of layers as they came
  hash_tar,      // SHA-256 of uncompressed layers
  hash_files,    // XXH3 of file contents in pieces of 64 KiB and more
  record,        // tar headers into file tables, with the hashes of smaller files
  walk,          // an upper directory, read for a commit
  write,         // blobs and tars
  document,      // manifests, configs: read, checked, written
  table,         // file tables, saved and opened
  sync,          // waiting for the disk
  merge,         // layer rules
  index,         // EROFS indexes
  tree,          // directories, for the overlay backend
  mount,         // file systems
  start,         // everything else until the command of a container runs
  container,     // a container that runs in the foreground
  wait_input,    // a thread waiting for another's output
  wait_room,     // a thread waiting for another to take its output
  wait_workers,  // a thread waiting for others to end
  other,         // the first thread outside of all parts
  count_,
};

inline constexpr std::size_t kProfileParts = static_cast<std::size_t>(ProfilePart::count_);
// Pieces below this are not worth the readings of the clock.
inline constexpr std::size_t kTimedBytes = 64 * 1024;

std::string_view name_of(ProfilePart part);
// Throws ErrorKind::invalid for a name that is no part's.
ProfilePart profile_part(std::string_view name);

// May lie in memory that is shared with child processes, which then count too.
struct ProfileCounters {
  struct Part {
    std::atomic<std::uint64_t> busy_ns;
    std::atomic<std::uint64_t> calls;
    std::atomic<std::uint64_t> bytes;
  };
  std::array<Part, kProfileParts> parts;
};

struct Profile {
  struct Part {
    std::string_view name;
    std::uint64_t busy_ns = 0;
    std::uint64_t calls = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t wall_ns = 0;  // since start(), and the interpreter's before it
  std::vector<Part> parts;    // those that happened, in the order of ProfilePart
};

// Begins anew. `counters` must outlive every timer made until stop(); the calling thread is the
// one whose time outside of parts is told.
void start_profile(ProfileCounters& counters);
Profile stop_profile();
// Counts what was measured elsewhere; nothing while no profile is taken.
void add_to_profile(ProfilePart part, std::uint64_t busy_ns, std::uint64_t bytes);

class ProfileTimer {
 public:
  explicit ProfileTimer(ProfilePart part, std::uint64_t bytes = 0) {
    ProfileCounters* counters = active_.load(std::memory_order_relaxed);
    if (counters != nullptr) [[unlikely]] {
      begin(*counters, part, bytes);
    }
  }
  ~ProfileTimer() {
    if (counters_ != nullptr) [[unlikely]] {
      end();
    }
  }
  ProfileTimer(const ProfileTimer&) = delete;
  ProfileTimer& operator=(const ProfileTimer&) = delete;

  // For what turns out only later.
  void add_bytes(std::uint64_t bytes) {
    if (counters_ != nullptr) bytes_ += bytes;
  }

 private:
  friend void start_profile(ProfileCounters& counters);
  friend Profile stop_profile();
  friend void add_to_profile(ProfilePart part, std::uint64_t busy_ns, std::uint64_t bytes);
  static inline std::atomic<ProfileCounters*> active_ = nullptr;

  void begin(ProfileCounters& counters, ProfilePart part, std::uint64_t bytes);
  void end();

  ProfileCounters* counters_ = nullptr;
  // What follows is written by begin() only: a timer that is off costs nothing for it.
  ProfilePart part_;
  std::uint64_t bytes_;
  std::uint64_t began_ns_;
  std::uint64_t inner_ns_;  // of the timers within
  ProfileTimer* outer_;
};

}  // namespace fastlayers
