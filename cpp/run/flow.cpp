#include "run/flow.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/terminal.hpp"

namespace fastlayers::run {

namespace {

constexpr std::size_t kBufferBytes = 65536;

}  // namespace

OutputFlow::OutputFlow(sys::Fd source, int sink, Log& log, Audience& audience, LogStream stream)
    : source_(std::move(source)),
      sink_(sink),
      sink_kind_(sink < 0 ? sys::StreamKind::closed : sys::stream_kind(sink)),
      log_(log),
      audience_(audience),
      stream_(stream),
      buffer_(source_ ? kBufferBytes : 0) {
  if (sink_kind_ == sys::StreamKind::closed) sink_ = -1;
}

sys::Watch OutputFlow::watch() const {
  if (!pending_.empty()) return {sink_, false, true, false};
  return {source_.get(), true, false, false};
}

void OutputFlow::step() {
  if (pending_.empty()) {
    read();
  } else {
    write();
  }
}

void OutputFlow::read() {
  const auto count = sys::try_read(source_.get(), buffer_);
  if (!count) return;
  if (*count == 0) {
    source_.close();
    return;
  }
  const Bytes bytes(buffer_.data(), *count);
  try {
    log_.write(stream_, bytes);
  } catch (const Error& error) {
    lost_ = std::string("the log is incomplete: ") + error.what();
  }
  audience_.send(stream_, bytes);
  if (sink_ >= 0) pending_ = bytes;
}

void OutputFlow::write() {
  const auto result = sys::try_write(sink_, sink_kind_, pending_);
  pending_ = pending_.subspan(result.count);
  if (result.error == 0) return;
  // A reader that went away and a terminal that was closed want no more; anything else is a loss.
  if (result.error != EPIPE && result.error != EIO) {
    lost_ =
        "output of the command was lost: write: " + std::generic_category().message(result.error);
  }
  pending_ = {};
  source_.close();
}

InputFlow::InputFlow(int source, int terminal)
    : source_(source), sink_(terminal), is_terminal_(true), buffer_(kBufferBytes) {}

InputFlow::InputFlow(int source, sys::Fd pipe)
    : source_(source),
      pipe_(std::move(pipe)),
      sink_(pipe_.get()),
      is_terminal_(false),
      buffer_(kBufferBytes) {}

sys::Watch InputFlow::watch() const {
  if (!pending_.empty()) return {sink_, false, true, false};
  return {source_, true, false, false};
}

void InputFlow::step() {
  if (pending_.empty()) {
    read();
    return;
  }
  const auto result = sys::try_write(sink_, sys::StreamKind::file, pending_);
  pending_ = pending_.subspan(result.count);
  if (result.error == 0) return;
  // The container reads no more.
  pending_ = {};
  source_ = -1;
  sink_ = -1;
  pipe_.close();
}

void InputFlow::read() {
  buffer_.resize(kBufferBytes);  // what was offered may have been less
  const auto count = sys::try_read(source_, buffer_);
  if (!count) return;
  if (*count == 0) {
    end();
    return;
  }
  pending_ = Bytes(buffer_.data(), *count);
  last_byte_ = static_cast<char>(pending_.back());
}

void InputFlow::offer(std::vector<std::byte> bytes) {
  if (sink_ < 0 || bytes.empty()) return;
  buffer_ = std::move(bytes);
  pending_ = buffer_;
  last_byte_ = static_cast<char>(pending_.back());
}

void InputFlow::end() {
  source_ = -1;
  if (!is_terminal_) {
    pipe_.close();
    sink_ = -1;
    return;
  }
  // On a terminal the end is a character; in the middle of a line the first one only sends that.
  const auto end = static_cast<std::byte>(sys::end_of_input(sink_));
  buffer_.assign(2, end);
  pending_ = Bytes(buffer_.data(), last_byte_ == '\n' ? 1 : 2);
}

}  // namespace fastlayers::run
