#include "run/stdio.hpp"

#include <utility>

#include "sys/file.hpp"
#include "sys/node.hpp"
#include "sys/stream.hpp"
#include "sys/terminal.hpp"

namespace fastlayers::run {

namespace {

using sys::StreamKind;

constexpr unsigned kSameGroup = static_cast<unsigned>(-1);

void open_input(const ProcessSpec& spec, const SystemMounts& mounts, unsigned uid,
                Streams& streams) {
  const StreamKind kind =
      spec.attach && spec.interactive ? sys::stream_kind(spec.stdin_fd) : StreamKind::null_device;
  const bool is_null = kind == StreamKind::null_device || kind == StreamKind::closed;
  if (is_null && !(spec.served && spec.interactive)) {
    streams.child[0] = sys::duplicate_above_stdio(open_null(mounts).get());
    return;
  }
  sys::Pipe pipe = sys::open_pipe();
  sys::set_owner(pipe.read_end.get(), uid, kSameGroup);
  streams.child[0] = sys::duplicate_above_stdio(pipe.read_end.get());
  streams.input = std::move(pipe.write_end);
  sys::set_non_blocking(streams.input.get());
}

// Returns our end.
sys::Fd open_output(unsigned uid, sys::Fd& child) {
  sys::Pipe pipe = sys::open_pipe();
  sys::set_owner(pipe.write_end.get(), uid, kSameGroup);
  sys::set_non_blocking(pipe.read_end.get());
  child = sys::duplicate_above_stdio(pipe.write_end.get());
  return std::move(pipe.read_end);
}

void open_terminal(const ProcessSpec& spec, const SystemMounts& mounts, unsigned uid,
                   Streams& streams) {
  sys::Pty pty = sys::open_pty(mounts.devpts.get());
  sys::set_owner(pty.slave.get(), uid, kSameGroup);
  set_first_size(spec, pty.master.get());
  if (mounts.is_new) mount_console(mounts, pty.slave.get());
  sys::set_non_blocking(pty.master.get());
  for (sys::Fd& fd : streams.child) fd = sys::duplicate_above_stdio(pty.slave.get());
  streams.terminal = std::move(pty.master);
}

}  // namespace

Streams open_streams(const ProcessSpec& spec, bool kept, const SystemMounts& mounts, unsigned uid) {
  Streams streams;
  if (spec.tty) {
    open_terminal(spec, mounts, uid, streams);
    return streams;
  }
  open_input(spec, mounts, uid, streams);
  if (!spec.attach && !spec.served && !kept) {
    const sys::Fd null = open_null(mounts);
    streams.child[1] = sys::duplicate_above_stdio(null.get());
    streams.child[2] = sys::duplicate_above_stdio(null.get());
    return streams;
  }
  streams.output = open_output(uid, streams.child[1]);
  // What ends up in one place goes there through one pipe, and so in the order it was written.
  if (spec.attach && sys::is_same_object(spec.stdout_fd, spec.stderr_fd)) {
    streams.child[2] = sys::duplicate_above_stdio(streams.child[1].get());
  } else {
    streams.error = open_output(uid, streams.child[2]);
  }
  return streams;
}

void set_first_size(const ProcessSpec& spec, int terminal) {
  if (sys::copy_window_size(host_terminal(spec), terminal) || spec.rows == 0) return;
  sys::set_window_size(terminal, static_cast<std::uint16_t>(spec.rows),
                       static_cast<std::uint16_t>(spec.columns));
}

int host_terminal(const ProcessSpec& spec) {
  if (!spec.attach) return -1;
  for (const int fd : {spec.stdout_fd, spec.stdin_fd, spec.stderr_fd}) {
    if (sys::is_terminal(fd)) return fd;
  }
  return -1;
}

}  // namespace fastlayers::run
