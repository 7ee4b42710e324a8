#include "run/copy_stream.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <thread>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

constexpr int kPatienceMs = 100;
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

void await(int fd, bool to_write, const Check& check) {
  for (;;) {
    std::array<sys::Watch, 1> watch{sys::Watch{fd, !to_write, to_write, false}};
    if (sys::wait_ready(watch, kPatienceMs) == sys::Wait::ready) return;
    check();
  }
}

}  // namespace

std::size_t StreamSource::read(MutableBytes buffer) {
  await(fd_, false, check_);
  return sys::read_some(fd_, buffer);
}

StreamSink::StreamSink(int fd, const Check& check) : fd_(fd), check_(check) {
  buffer_.reserve(kBufferBytes);
}

void StreamSink::write(Bytes bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void StreamSink::flush() {
  const sys::StreamKind kind = sys::stream_kind(fd_);
  for (Bytes rest = buffer_; !rest.empty();) {
    await(fd_, true, check_);
    const sys::WriteResult result = sys::try_write(fd_, kind, rest);
    if (result.error != 0) throw_errno("write the archive", result.error);
    rest = rest.subspan(result.count);
  }
  buffer_.clear();
  check_();
}

std::uint64_t run_watched(const std::function<std::uint64_t(const Check& check)>& work,
                          const std::function<void()>& watch) {
  std::atomic<bool> is_given_up{false};
  std::packaged_task<std::uint64_t()> task([&] {
    return work([&is_given_up] {
      if (is_given_up) throw Error(ErrorKind::conflict, "the copying was given up");
    });
  });
  std::future<std::uint64_t> result = task.get_future();
  std::thread thread(std::move(task));
  try {
    while (result.wait_for(std::chrono::milliseconds(kPatienceMs)) != std::future_status::ready) {
      watch();
    }
  } catch (...) {
    is_given_up = true;
    thread.join();
    throw;
  }
  thread.join();
  return result.get();
}

}  // namespace fastlayers::run
