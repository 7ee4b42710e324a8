// Birth: the thread that makes a container and is the parent of its first process.
//
// Namespaces belong to threads. So one thread of the calling process enters those of the new
// container, mounts what it needs, pivots, and clones the first process, which shares our memory
// until it executes (as posix_spawn does). Compared with fork(2) nothing of a large process has to
// be copied; all preparation is ordinary code, safe beside other threads, whose errors are
// exceptions; and the child itself makes only a score of raw system calls.
//
// The thread goes back to its own namespaces and ends once the child runs. With kill_with_parent it
// stays until the Birth is destroyed, since the kernel's parent-death signal is about the thread.
#pragma once

#include <exception>
#include <semaphore>
#include <thread>

#include "run/launch.hpp"
#include "run/stdio.hpp"
#include "sys/process.hpp"

namespace fastlayers::run {

struct Newborn {
  sys::Child child;
  Streams stdio;  // our ends only
};

class Birth {
 public:
  explicit Birth(const LaunchSpec& spec);  // `spec` must outlive it
  Birth(const Birth&) = delete;
  Birth& operator=(const Birth&) = delete;
  ~Birth();

  // Waits until the program runs, or throws why it does not.
  Newborn wait();

 private:
  void work(const LaunchSpec& spec) noexcept;

  Newborn newborn_;
  std::exception_ptr failure_;
  std::binary_semaphore born_{0};
  std::binary_semaphore release_{0};
  std::thread thread_;  // last: it uses the others
};

}  // namespace fastlayers::run
