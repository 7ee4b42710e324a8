// Terminals: raw mode that is always given back, window sizes, pseudo-terminals.
#pragma once

#include <cstdint>
#include <memory>

#include "sys/fd.hpp"

namespace fastlayers::sys {

bool is_terminal(int fd) noexcept;

// False when it is not a terminal.
bool window_size(int fd, std::uint16_t& rows, std::uint16_t& columns) noexcept;
bool set_window_size(int fd, std::uint16_t rows, std::uint16_t columns) noexcept;

// False when `from` is not a terminal or `to` takes no size.
bool copy_window_size(int from, int to) noexcept;

// Raw mode of a terminal from construction to destruction. Throws Error.
class RawMode {
 public:
  explicit RawMode(int fd);
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode();

  // Once more, after another program (a shell resuming us) has changed the mode.
  void apply_again() noexcept;

 private:
  struct Modes;
  int fd_;
  std::unique_ptr<Modes> modes_;
};

struct Pty {
  Fd master;
  Fd slave;
};

// A new pair of the devpts file system whose root directory is `devpts_fd`.
Pty open_pty(int devpts_fd);

// The byte that means "end of input" on that terminal.
char end_of_input(int fd) noexcept;

}  // namespace fastlayers::sys
