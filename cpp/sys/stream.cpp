#include "sys/stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "base/error.hpp"

namespace fastlayers::sys {

namespace {

// A pipe that poll(2) calls writable takes at least this much without waiting.
constexpr std::size_t kCertainBytes = 4096;
constexpr std::size_t kMaxWatches = 64;

bool would_wait(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

StreamKind stream_kind(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return StreamKind::closed;
  if (S_ISFIFO(status.st_mode)) return StreamKind::pipe;
  if (S_ISSOCK(status.st_mode)) return StreamKind::socket;
  if (S_ISREG(status.st_mode)) return StreamKind::file;
  if (!S_ISCHR(status.st_mode)) return StreamKind::other;
  if (status.st_rdev == makedev(1, 3)) return StreamKind::null_device;
  return ::isatty(fd) == 1 ? StreamKind::terminal : StreamKind::other;
}

bool is_same_object(int left, int right) noexcept {
  struct stat first {};
  struct stat second {};
  return ::fstat(left, &first) == 0 && ::fstat(right, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Pipe open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("open a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

void set_non_blocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) throw_errno("set up a stream");
}

Fd duplicate_above_stdio(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) throw_errno("duplicate descriptor " + std::to_string(fd));
  return copy;
}

Wait wait_ready(std::span<Watch> watches, int timeout_ms) {
  std::array<pollfd, kMaxWatches> polls{};
  if (watches.size() > polls.size()) throw Error(ErrorKind::limit, "too many streams to wait for");
  for (std::size_t i = 0; i < watches.size(); ++i) {
    polls[i].fd = watches[i].fd;
    polls[i].events =
        static_cast<short>((watches[i].read ? POLLIN : 0) | (watches[i].write ? POLLOUT : 0));
    watches[i].ready = false;
  }
  const int count = ::poll(polls.data(), watches.size(), timeout_ms);
  if (count < 0 && errno != EINTR) throw_errno("wait for the container");
  if (count < 0) return Wait::interrupted;
  if (count == 0) return Wait::timed_out;
  for (std::size_t i = 0; i < watches.size(); ++i) watches[i].ready = polls[i].revents != 0;
  return Wait::ready;
}

bool has_hung_up(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0 &&
         (entry.revents & POLLIN) == 0;
}

std::optional<std::size_t> try_read(int fd, MutableBytes buffer) {
  const auto count = ::read(fd, buffer.data(), buffer.size());
  if (count >= 0) return static_cast<std::size_t>(count);
  if (would_wait(errno)) return std::nullopt;
  if (errno == EIO || errno == EBADF) return 0;
  throw_errno("read");
}

WriteResult try_write(int fd, StreamKind kind, Bytes bytes) noexcept {
  ssize_t count = -1;
  if (kind == StreamKind::pipe || kind == StreamKind::socket) {
    const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    count = ::pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
    if (count >= 0) return {static_cast<std::size_t>(count), 0};
    if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS) {
      return {0, would_wait(errno) ? 0 : errno};
    }
  }
  const std::size_t limit = kind == StreamKind::file ? bytes.size() : kCertainBytes;
  count = ::write(fd, bytes.data(), std::min(bytes.size(), limit));
  if (count >= 0) return {static_cast<std::size_t>(count), 0};
  return {0, would_wait(errno) ? 0 : errno};
}

MoveResult try_move(int source, int sink, std::size_t most) noexcept {
  const auto count =
      ::splice(source, nullptr, sink, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) return {static_cast<std::size_t>(count), false, 0};
  if (count == 0) return {0, true, 0};
  return {0, false, would_wait(errno) ? 0 : errno};
}

void enlarge_pipe(int fd, std::size_t bytes) noexcept {
  ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes));
}

}  // namespace fastlayers::sys
