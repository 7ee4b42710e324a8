// Local sockets that keep the borders of messages (SOCK_SEQPACKET).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/io.hpp"
#include "sys/fd.hpp"
#include "sys/stream.hpp"

namespace fastlayers::sys {

// All descriptors are numbered above 2, also where a standard stream is closed.

std::pair<Fd, Fd> socket_pair();

// A socket in a directory, in the place of what has that name; as long as paths may be. Only its
// owner can connect.
Fd listen_in(const std::string& directory, const std::string& name);

// nullopt: nobody listens there.
std::optional<Fd> connect_in(const std::string& directory, const std::string& name);

// nullopt: nobody is waiting, or no descriptor is left for whoever is (then `exhausted` is set).
std::optional<Fd> accept_from(const Fd& listener, bool& exhausted) noexcept;

// One message, without waiting, all of it or nothing; its first byte is `kind`.
WriteResult try_send(int fd, char kind, Bytes bytes) noexcept;

// The next message, cut to the buffer. nullopt: nothing there now. 0: the end, however it came,
// behind all that was sent before it.
std::optional<std::size_t> try_receive(int fd, MutableBytes buffer) noexcept;

}  // namespace fastlayers::sys
