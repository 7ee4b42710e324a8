#include "sys/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace fastlayers::sys {

namespace {

constexpr char kEndOfTransmission = 4;

int set_modes(int fd, const termios& modes) noexcept {
  int result;
  do {
    // At once, not after output has drained: on a stopped terminal that would never be.
    result = ::tcsetattr(fd, TCSANOW, &modes);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

bool window_size(int fd, std::uint16_t& rows, std::uint16_t& columns) noexcept {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return false;
  rows = size.ws_row;
  columns = size.ws_col;
  return true;
}

bool set_window_size(int fd, std::uint16_t rows, std::uint16_t columns) noexcept {
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  return ::ioctl(fd, TIOCSWINSZ, &size) == 0;
}

bool copy_window_size(int from, int to) noexcept {
  winsize size{};
  return ::ioctl(from, TIOCGWINSZ, &size) == 0 && ::ioctl(to, TIOCSWINSZ, &size) == 0;
}

struct RawMode::Modes {
  termios saved{};
  termios raw{};
};

RawMode::RawMode(int fd) : fd_(fd), modes_(std::make_unique<Modes>()) {
  if (::tcgetattr(fd, &modes_->saved) != 0) throw_errno("read the modes of the terminal");
  modes_->raw = modes_->saved;
  ::cfmakeraw(&modes_->raw);
  if (set_modes(fd, modes_->raw) != 0) throw_errno("set the terminal to raw mode");
}

RawMode::~RawMode() { set_modes(fd_, modes_->saved); }

void RawMode::apply_again() noexcept { set_modes(fd_, modes_->raw); }

Pty open_pty(int devpts_fd) {
  Pty pty;
  pty.master = Fd(::openat(devpts_fd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW));
  if (!pty.master) throw_errno("open a pseudo-terminal");
  int locked = 0;
  if (::ioctl(pty.master.get(), TIOCSPTLCK, &locked) != 0) throw_errno("unlock a pseudo-terminal");
  // The peer itself, not what has its name by now.
  pty.slave = Fd(::ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) throw_errno("open the other end of a pseudo-terminal");
  return pty;
}

char end_of_input(int fd) noexcept {
  termios modes{};
  if (::tcgetattr(fd, &modes) != 0) return kEndOfTransmission;
  return static_cast<char>(modes.c_cc[VEOF]);
}

}  // namespace fastlayers::sys
