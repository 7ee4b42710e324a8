#include "run/log.hpp"

#include <array>
#include <chrono>
#include <span>

#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

constexpr unsigned kMode = 0640;

sys::Fd open_to_append(const std::string& path) {
  return sys::open(path, O_WRONLY | O_CREAT | O_APPEND, kMode);
}

constexpr std::uint64_t kError = std::uint64_t{1} << 63;

}  // namespace

Log::Log(const std::string& directory)
    : bytes_(open_to_append(directory + "/log")),
      index_(open_to_append(directory + "/log.index")),
      size_(sys::file_size(bytes_.get())) {}

void Log::write(LogStream stream, Bytes bytes) {
  if (!bytes_) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::array<std::uint64_t, 2> record{
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()),
      size_ | (stream == LogStream::error ? kError : 0)};
  try {
    sys::write_all(bytes_.get(), bytes);
    size_ += bytes.size();
    sys::write_all(index_.get(), std::as_bytes(std::span(record)));
  } catch (...) {
    bytes_.close();
    throw;
  }
}

}  // namespace fastlayers::run
