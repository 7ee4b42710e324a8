// The two ends of a copy that are streams of ours, and the thread that it runs on: all of it can be
// given up while it waits.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/io.hpp"
#include "run/copy.hpp"

namespace fastlayers::run {

class StreamSource : public Source {
 public:
  StreamSource(int fd, const Check& check) : fd_(fd), check_(check) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  int fd_;
  const Check& check_;
};

class StreamSink : public Sink {
 public:
  StreamSink(int fd, const Check& check);
  void write(Bytes bytes) override;
  void flush();

 private:
  int fd_;
  const Check& check_;
  std::vector<std::byte> buffer_;
};

// Runs `work` on a thread of its own, which may change its mount namespace. Meanwhile `watch` is
// called on this one now and then; what it throws is thrown when `work` has been given up.
std::uint64_t run_watched(const std::function<std::uint64_t(const Check& check)>& work,
                          const std::function<void()>& watch);

}  // namespace fastlayers::run
