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

bool can_be_handed_over(StreamKind kind, unsigned uid) {
  return uid == 0 && (kind == StreamKind::pipe || kind == StreamKind::socket);
}

void open_input(const ProcessSpec& spec, bool log, const SystemMounts& mounts, unsigned uid,
                Streams& streams) {
  const StreamKind kind =
      spec.attach && spec.interactive ? sys::stream_kind(spec.stdin_fd) : StreamKind::null_device;
  const bool is_null = kind == StreamKind::null_device || kind == StreamKind::closed;
  if (is_null && !(spec.served && spec.interactive)) {
    streams.child[0] = sys::duplicate_above_stdio(open_null(mounts).get());
  } else if (!log && can_be_handed_over(kind, uid)) {
    streams.child[0] = sys::duplicate_above_stdio(spec.stdin_fd);
    streams.handed_over = true;
  } else {
    sys::Pipe pipe = sys::open_pipe();
    sys::set_owner(pipe.read_end.get(), uid, kSameGroup);
    streams.child[0] = sys::duplicate_above_stdio(pipe.read_end.get());
    streams.input = std::move(pipe.write_end);
    sys::set_non_blocking(streams.input.get());
  }
}

// Returns our end, if it is relayed.
sys::Fd open_output(const ProcessSpec& spec, bool log, const SystemMounts& mounts, unsigned uid,
                    int fd, sys::Fd& child) {
  const StreamKind kind = spec.attach ? sys::stream_kind(fd) : StreamKind::null_device;
  const bool is_null = kind == StreamKind::null_device || kind == StreamKind::closed;
  if (!log && is_null) {
    child = sys::duplicate_above_stdio(open_null(mounts).get());
    return {};
  }
  if (!log && can_be_handed_over(kind, uid)) {
    child = sys::duplicate_above_stdio(fd);
    return {};
  }
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

Streams open_streams(const ProcessSpec& spec, bool log, const SystemMounts& mounts, unsigned uid) {
  Streams streams;
  if (spec.tty) {
    open_terminal(spec, mounts, uid, streams);
    return streams;
  }
  log = log || spec.served;
  open_input(spec, log, mounts, uid, streams);
  streams.output = open_output(spec, log, mounts, uid, spec.stdout_fd, streams.child[1]);
  // What ends up in one place goes there through one pipe, and so in the order it was written.
  const bool one_place = spec.attach && sys::is_same_object(spec.stdout_fd, spec.stderr_fd);
  if (streams.output && one_place) {
    streams.child[2] = sys::duplicate_above_stdio(streams.child[1].get());
  } else {
    streams.error = open_output(spec, log, mounts, uid, spec.stderr_fd, streams.child[2]);
    streams.handed_over = streams.handed_over || !streams.error;
  }
  streams.handed_over = streams.handed_over || !streams.output;
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
