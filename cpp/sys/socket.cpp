#include "sys/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::sys {

namespace {

constexpr int kKind = SOCK_SEQPACKET | SOCK_CLOEXEC;
constexpr int kBacklog = 64;
constexpr timeval kPatience{5, 0};

// By way of a descriptor, since an address holds 107 bytes only.
sockaddr_un address_in(const Fd& directory, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    throw Error(ErrorKind::invalid, "the name of a socket is too long: " + name);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket(int flags) {
  const Fd socket(::socket(AF_UNIX, kKind | flags, 0));
  if (!socket) throw_errno("make a socket");
  return duplicate_above_stdio(socket.get());
}

}  // namespace

std::pair<Fd, Fd> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, kKind | SOCK_NONBLOCK, 0, ends) != 0)
    throw_errno("make a pair of sockets");
  const Fd first(ends[0]);
  const Fd second(ends[1]);
  return {duplicate_above_stdio(first.get()), duplicate_above_stdio(second.get())};
}

Fd listen_in(const std::string& directory, const std::string& name) {
  const Fd place = open(directory, O_PATH | O_DIRECTORY);
  unlink(directory + "/" + name);
  Fd socket = new_socket(SOCK_NONBLOCK);
  const sockaddr_un address = address_in(place, name);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::fchmodat(place.get(), name.c_str(), 0600, 0) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    throw_errno("listen at " + directory + "/" + name);
  }
  return socket;
}

std::optional<Fd> connect_in(const std::string& directory, const std::string& name) {
  const auto place = try_open(directory, O_PATH | O_DIRECTORY);
  if (!place) return std::nullopt;
  Fd socket = new_socket(0);
  // Behind many others it waits for its turn, but not for one that has been stopped.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  const sockaddr_un address = address_in(*place, name);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return socket;
  }
  if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
  if (errno == EAGAIN)
    throw Error(ErrorKind::system, "nobody answers at " + directory + "/" + name);
  throw_errno("connect to " + directory + "/" + name);
}

std::optional<Fd> accept_from(const Fd& listener, bool& exhausted) noexcept {
  Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) return socket;
  exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  return std::nullopt;
}

WriteResult try_send(int fd, char kind, Bytes bytes) noexcept {
  iovec parts[2] = {{&kind, 1}, {const_cast<std::byte*>(bytes.data()), bytes.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const auto count = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count >= 0) return {static_cast<std::size_t>(count), 0};
  const bool waits = errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
  return {0, waits ? 0 : errno};
}

std::optional<std::size_t> try_receive(int fd, MutableBytes buffer) noexcept {
  auto count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  // It comes first if the other side had not read all of ours; what it sent is still there.
  if (count < 0 && errno == ECONNRESET) {
    count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  }
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return std::nullopt;
  return 0;
}

}  // namespace fastlayers::sys
