#include "sys/seccomp_listener.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "base/error.hpp"

namespace fastlayers::sys {

static_assert(kAnswerListen == SECCOMP_RET_USER_NOTIF);

namespace {

void send(const Fd& listener, const seccomp_notif_resp& response) {
  if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) == 0) return;
  if (errno == ENOENT || errno == EINTR) return;  // it has gone, or will ask again
  throw_errno("answer a system call");
}

// struct iovec has no const.
iovec piece(std::uint64_t address, std::size_t size) {
  return {reinterpret_cast<void*>(address), size};
}

}  // namespace

Fd install_listener(const FilterProgram& program) {
  auto* steps = const_cast<FilterStep*>(program.data());
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          reinterpret_cast<sock_filter*>(steps)};
  const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  const long fd = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  if (fd < 0) throw_errno("install a seccomp filter with a listener");
  return Fd(static_cast<int>(fd));
}

std::optional<WaitingCall> receive_call(const Fd& listener) {
  seccomp_notif notification{};
  if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    if (errno == ENOENT || errno == EINTR) return std::nullopt;
    throw_errno("receive a system call");
  }
  WaitingCall call;
  call.id = notification.id;
  call.thread = static_cast<int>(notification.pid);
  call.number = static_cast<std::uint32_t>(notification.data.nr);
  call.architecture = notification.data.arch;
  std::memcpy(call.arguments, notification.data.args, sizeof(call.arguments));
  return call;
}

bool still_waits(const Fd& listener, const WaitingCall& call) {
  return ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) == 0;
}

void answer_call(const Fd& listener, const WaitingCall& call, std::int64_t value, int error) {
  seccomp_notif_resp response{};
  response.id = call.id;
  response.val = error == 0 ? value : 0;
  response.error = -error;
  send(listener, response);
}

void let_call_pass(const Fd& listener, const WaitingCall& call) {
  seccomp_notif_resp response{};
  response.id = call.id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  send(listener, response);
}

bool read_memory(const WaitingCall& call, std::uint64_t address, MutableBytes bytes) {
  if (bytes.empty()) return true;
  const iovec here{bytes.data(), bytes.size()};
  const iovec there = piece(address, bytes.size());
  return ::process_vm_readv(call.thread, &here, 1, &there, 1, 0) ==
         static_cast<ssize_t>(bytes.size());
}

std::optional<std::string> read_path(const WaitingCall& call, std::uint64_t address) {
  constexpr std::size_t kPage = 4096;
  std::string text;
  while (text.size() < PATH_MAX) {
    // What lies behind the end of a page need not be there.
    char buffer[kPage];
    const std::size_t count = kPage - address % kPage;
    if (!read_memory(call, address, {reinterpret_cast<std::byte*>(buffer), count})) break;
    const std::size_t length = ::strnlen(buffer, count);
    text.append(buffer, length);
    if (length < count) return text;
    address += count;
  }
  return std::nullopt;
}

bool write_memory(const WaitingCall& call, std::uint64_t address, Bytes bytes) {
  if (bytes.empty()) return true;
  const iovec here{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const iovec there = piece(address, bytes.size());
  return ::process_vm_writev(call.thread, &here, 1, &there, 1, 0) ==
         static_cast<ssize_t>(bytes.size());
}

}  // namespace fastlayers::sys
