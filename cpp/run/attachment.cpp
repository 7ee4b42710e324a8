#include "run/attachment.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "run/audience.hpp"
#include "sys/process.hpp"
#include "sys/signal.hpp"
#include "sys/socket.hpp"
#include "sys/stream.hpp"
#include "sys/terminal.hpp"

namespace fastlayers::run {

namespace {

class Session {
 public:
  explicit Session(const AttachSpec& spec)
      : spec_(spec), reads_(spec.interactive), typed_(kMessageBytes), message_(kMessageBytes + 1) {
    kinds_ = {sys::stream_kind(spec.stdout_fd), sys::stream_kind(spec.stderr_fd)};
    if (spec.tty && spec.interactive && sys::is_terminal(spec.stdin_fd)) {
      raw_mode_ = std::make_unique<sys::RawMode>(spec.stdin_fd);
    }
    if (spec.interactive) sys::try_send(spec.socket, 'i', {});
    if (spec.tty) tell_size(spec.redraw ? 1 : 0);
    if (spec.tty && spec.redraw) tell_size(0);
  }

  AttachEnd run() {
    while (!is_over_) {
      std::array<sys::Watch, 4> watches{};
      watches[0] = {signals_.fd(), true, false, false};
      watches[1] = {spec_.socket, output_.empty(), has_unsent_, false};
      if (!output_.empty() && !has_unsent_) watches[1].fd = -1;
      if (reads_ && !has_unsent_) watches[2] = {spec_.stdin_fd, true, false, false};
      if (!output_.empty()) watches[3] = {sink_, false, true, false};
      if (sys::wait_ready(watches, -1) != sys::Wait::ready) continue;
      if (watches[0].ready) take_signals();
      if (watches[3].ready) write_output();
      if (watches[1].ready && has_unsent_) flush();
      if (watches[1].ready && output_.empty() && !is_over_) receive();
      if (watches[2].ready && !is_over_) read_input();
    }
    return end_;
  }

 private:
  void tell_size(std::uint16_t more) {
    for (const int fd : {spec_.stdout_fd, spec_.stdin_fd, spec_.stderr_fd}) {
      WindowSize size;
      if (!sys::window_size(fd, size.rows, size.columns)) continue;
      size.rows = static_cast<std::uint16_t>(size.rows + more);
      size.columns = static_cast<std::uint16_t>(size.columns + more);
      std::array<std::byte, sizeof(size)> bytes{};
      std::memcpy(bytes.data(), &size, sizeof(size));
      sys::try_send(spec_.socket, 'r', bytes);  // a full socket: the next change tells
      return;
    }
  }

  void take_signals() {
    while (const auto signal = signals_.next()) {
      if (sys::is_resize(*signal) || sys::is_continue(*signal)) {
        if (raw_mode_ && sys::is_continue(*signal)) raw_mode_->apply_again();
        if (spec_.tty) tell_size(0);
      } else {
        pass_on(*signal);
      }
    }
  }

  void pass_on(int signal) {
    if (spec_.leader >= 0) {
      sys::send_signal(spec_.leader, signal);
    } else if (sys::is_termination(signal)) {
      end_by(signal);
    }
  }

  void end_by(int signal) {
    end_.signal = signal;
    is_over_ = true;
  }

  void receive() {
    const auto size = sys::try_receive(spec_.socket, message_);
    if (!size) return;
    if (*size == 0) {
      is_over_ = true;
      return;
    }
    const char kind = static_cast<char>(message_.front());
    const Bytes bytes = Bytes(message_).subspan(1, *size - 1);
    if (kind == 'x' && bytes.size() == sizeof(int)) {
      std::memcpy(&end_.exit_code.emplace(), bytes.data(), sizeof(int));
      is_over_ = true;
    }
    if (kind == 'f') is_over_ = end_.refused = true;
    if (kind != 'o' && kind != 'e') return;
    const bool is_error = kind == 'e';
    sink_ = is_error ? spec_.stderr_fd : spec_.stdout_fd;
    sink_kind_ = kinds_[is_error ? 1 : 0];
    if (sink_kind_ != sys::StreamKind::closed) output_ = bytes;
  }

  void write_output() {
    const auto result = sys::try_write(sink_, sink_kind_, output_);
    output_ = output_.subspan(result.count);
    if (result.error == 0) return;
    end_by(sys::broken_pipe_signal());  // who read it is gone
  }

  void read_input() {
    const auto count = sys::try_read(spec_.stdin_fd, typed_);
    if (!count) return;
    if (*count == 0 && raw_mode_) {
      reads_ = false;
      pass_on(sys::hang_up_signal());  // the terminal is gone
    } else if (*count == 0) {
      reads_ = false;
      unsent_kind_ = 'q';
      unsent_.clear();
      has_unsent_ = true;
    } else {
      filter_keys(Bytes(typed_.data(), *count));
    }
    if (has_unsent_) flush();
  }

  // What may be the beginning of the keys is held back until it is clear that it is not.
  void filter_keys(Bytes bytes) {
    const std::string& keys = spec_.detach_keys;
    unsent_kind_ = 'i';
    unsent_.clear();
    if (!spec_.tty || keys.empty()) {
      unsent_.assign(bytes.begin(), bytes.end());
      has_unsent_ = true;
      return;
    }
    for (const std::byte byte : bytes) {
      if (static_cast<char>(byte) != keys[matched_]) {
        const Bytes held = as_bytes(keys).first(matched_);
        unsent_.insert(unsent_.end(), held.begin(), held.end());
        matched_ = 0;
      }
      if (static_cast<char>(byte) != keys[matched_]) {
        unsent_.push_back(byte);
      } else if (++matched_ == keys.size()) {
        end_.detached = true;
        is_over_ = true;
        break;
      }
    }
    has_unsent_ = !unsent_.empty();
  }

  void flush() {
    const auto result = sys::try_send(spec_.socket, unsent_kind_, unsent_);
    if (result.count > 0 || result.error != 0) has_unsent_ = false;
    if (result.error != 0) reads_ = false;  // receiving tells why
  }

  const AttachSpec& spec_;
  const sys::NoBrokenPipeSignal no_broken_pipe_signal_;
  sys::SignalCatcher signals_;
  std::unique_ptr<sys::RawMode> raw_mode_;
  std::array<sys::StreamKind, 2> kinds_{};
  bool reads_;
  bool is_over_ = false;
  AttachEnd end_;
  std::vector<std::byte> typed_;
  std::size_t matched_ = 0;  // of the keys
  bool has_unsent_ = false;
  char unsent_kind_ = 'i';
  std::vector<std::byte> unsent_;
  std::vector<std::byte> message_;
  Bytes output_;  // of message_, to be written
  int sink_ = -1;
  sys::StreamKind sink_kind_ = sys::StreamKind::closed;
};

}  // namespace

AttachEnd attach(const AttachSpec& spec) { return Session(spec).run(); }

sys::Fd connect_to_audience(const std::string& directory) {
  if (auto socket = sys::connect_in(directory, kAttachSocket)) return std::move(*socket);
  throw Error(ErrorKind::conflict, "nobody can attach to it");
}

}  // namespace fastlayers::run
