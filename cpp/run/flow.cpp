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

using sys::StreamKind;

constexpr std::size_t kBufferBytes = 65536;  // also what a pipe holds
// Of a pipe that was full: with three processes on it instead of two, twice as fast as with 64 KiB
// and as fast as without us. Few are, and a user may have 64 MiB of all pipes (pipe(7)).
constexpr std::size_t kLargePipeBytes = 262144;

StreamKind kind_of(int fd) { return fd < 0 ? StreamKind::closed : sys::stream_kind(fd); }

void enlarge_if_full(int pipe, std::size_t count) {
  if (count == kBufferBytes) sys::enlarge_pipe(pipe, kLargePipeBytes);
}

}  // namespace

OutputFlow::OutputFlow(sys::Fd source, int sink, Log& log, Audience& audience, LogStream stream)
    : source_(std::move(source)),
      sink_(sink),
      source_kind_(kind_of(source_.get())),
      sink_kind_(kind_of(sink)),
      log_(log),
      audience_(audience),
      stream_(stream),
      buffer_(source_ ? kBufferBytes : 0) {
  if (sink_kind_ == StreamKind::closed) sink_ = -1;
}

sys::Watch OutputFlow::watch() const {
  if (holds_bytes()) return {sink_, false, true, false};
  return {source_.get(), true, false, false};
}

void OutputFlow::step() {
  if (!pending_.empty()) {
    write();
  } else if (moves()) {
    move();
  } else {
    sink_is_full_ = false;
    read();
  }
}

bool OutputFlow::moves() const {
  return source_kind_ == StreamKind::pipe && sink_kind_ == StreamKind::pipe && !log_ &&
         audience_.is_empty();
}

void OutputFlow::move() {
  const auto result = sys::try_move(source_.get(), sink_, kLargePipeBytes);
  enlarge_if_full(source_.get(), result.count);
  // Whichever of the two was ready, it was for the other one.
  sink_is_full_ = result.count == 0 && !sink_is_full_;
  if (result.ended || result.error != 0) {
    take_note_of(result.error);
    sink_is_full_ = false;
    source_.close();
  }
}

void OutputFlow::read() {
  const auto count = sys::try_read(source_.get(), buffer_);
  if (!count) return;
  if (*count == 0) {
    source_.close();
    return;
  }
  enlarge_if_full(source_.get(), *count);
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
  take_note_of(result.error);
  pending_ = {};
  source_.close();
}

// A reader that went away and a terminal that was closed want no more; anything else is a loss.
void OutputFlow::take_note_of(int error) {
  if (error == 0 || error == EPIPE || error == EIO) return;
  lost_ = "output of the command was lost: write: " + std::generic_category().message(error);
}

InputFlow::InputFlow(int source, int terminal)
    : source_(source), sink_(terminal), is_terminal_(true), buffer_(kBufferBytes) {}

InputFlow::InputFlow(int source, sys::Fd pipe)
    : source_(source),
      pipe_(std::move(pipe)),
      sink_(pipe_.get()),
      is_terminal_(false),
      moves_(kind_of(source) == StreamKind::pipe),
      buffer_(kBufferBytes) {}

sys::Watch InputFlow::watch() const {
  if (!takes_more()) return {sink_, false, true, false};
  return {source_, true, false, false};
}

void InputFlow::step() {
  if (pending_.empty() && moves_) {
    move();
    return;
  }
  if (pending_.empty()) {
    read();
    return;
  }
  const auto result = sys::try_write(sink_, StreamKind::file, pending_);
  pending_ = pending_.subspan(result.count);
  if (result.error != 0) close();
}

void InputFlow::move() {
  const auto result = sys::try_move(source_, sink_, kLargePipeBytes);
  enlarge_if_full(sink_, result.count);
  sink_is_full_ = result.count == 0 && !sink_is_full_;
  if (result.error != 0) close();
  if (result.ended) end();
}

// The container reads no more.
void InputFlow::close() {
  pending_ = {};
  sink_is_full_ = false;
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
  if (!is_terminal_) {
    close();
    return;
  }
  source_ = -1;
  // On a terminal the end is a character; in the middle of a line the first one only sends that.
  const auto end = static_cast<std::byte>(sys::end_of_input(sink_));
  buffer_.assign(2, end);
  pending_ = Bytes(buffer_.data(), last_byte_ == '\n' ? 1 : 2);
}

}  // namespace fastlayers::run
