// Byte streams that must not make us wait: pipes, terminals and files behind poll(2).
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/io.hpp"
#include "sys/fd.hpp"

namespace fastlayers::sys {

enum class StreamKind { terminal, pipe, socket, file, null_device, other, closed };
StreamKind stream_kind(int fd) noexcept;

bool is_same_object(int left, int right) noexcept;  // one file, pipe or terminal

struct Pipe {
  Fd read_end;
  Fd write_end;
};
Pipe open_pipe();
void set_non_blocking(int fd);     // of a stream that is ours alone
Fd duplicate_above_stdio(int fd);  // close-on-exec, numbered 3 or higher

struct Watch {
  int fd = -1;  // -1: none
  bool read = false;
  bool write = false;
  bool ready = false;  // out: readable, writable, hung up or broken
};
enum class Wait { ready, interrupted, timed_out };
// Waits until one is ready, or a signal has been handled, or the time is over (-1: never).
Wait wait_ready(std::span<Watch> watches, int timeout_ms);

bool has_hung_up(int fd);  // the other side is gone, and nothing is left to be read

// nullopt: nothing there now. 0: the end (also of a terminal whose other side is gone).
std::optional<std::size_t> try_read(int fd, MutableBytes buffer);

struct WriteResult {
  std::size_t count = 0;  // 0 without an error: it would have waited
  int error = 0;
};
// Writes without waiting to a stream that poll(2) called ready, even if its description, which is
// not ours, is a blocking one.
WriteResult try_write(int fd, StreamKind kind, Bytes bytes) noexcept;

struct MoveResult {
  std::size_t count = 0;  // 0 without an end or an error: nothing there, or no room
  bool ended = false;     // `source` has, and is empty
  int error = 0;
};
// Moves pages from a pipe to another one, without copying and without waiting.
MoveResult try_move(int source, int sink, std::size_t most) noexcept;
// Lets a pipe hold more than the 64 KiB it begins with, if the system's limits allow it.
void enlarge_pipe(int fd, std::size_t bytes) noexcept;

}  // namespace fastlayers::sys
