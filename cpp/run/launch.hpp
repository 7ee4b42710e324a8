// Launch: one container process in namespaces of its own, on a root of its own.
//
// launch() mounts the root inside a private mount namespace, so nothing can leak, builds /dev,
// /proc and /sys, binds the files of the host and the volumes, pivots, and starts the command in
// new mount, PID, UTS and IPC namespaces (a network namespace when asked) with its user's identity
// and Docker's capabilities; birth.hpp tells how, and why so. The calling process is the parent: it
// relays the terminal or the pipes, forwards signals, waits, and gets the exit status.
//
// May be called from several threads at once. Meanwhile the process's handlers of the signals that
// are forwarded (sys/signal.hpp) are replaced; they are back when the last call returns.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mount/root.hpp"

namespace fastlayers::run {

struct BindMount {
  std::string source;  // path on the host, or ROOT/volumes/...
  std::string
      target;  // absolute path in the container; resolved inside its root, created if missing
  bool read_only = false;
  bool copy_up = false;  // a new, empty volume: first filled with what the image has at target
};

enum class Network { host, none };

struct LaunchSpec {
  mount::Root root;
  std::string directory;  // containers/<id>: holds resolv.conf, hosts, hostname to be bound; log;
                          // must exist; the merged root is mounted on its subfolder "merged"
  std::vector<std::string> argv;  // argv[0] is looked up in PATH of `env` inside the root
  std::vector<std::string> env;   // K=V; HOME is added if absent (from passwd of the root)
  std::string cwd = "/";          // created if missing, inside the root
  std::string user;               // "", name, uid, name:group, uid:gid
  std::string hostname;
  Network network = Network::host;
  bool tty = false;
  bool interactive = false;  // keep stdin open; otherwise the child's stdin is /dev/null
  bool read_only = false;
  std::vector<BindMount> binds;
  bool log = false;    // copy stdout and stderr to <directory>/log as well
  bool attach = true;  // false: no stdin, stdout, stderr of ours (a detached container)
  bool kill_with_parent = false;
  // Ours. Pipes and sockets are handed to the container as they are if its user is root and there
  // is no log; everything else is relayed (stdio.hpp says why).
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;
};

struct ExitStatus {
  int code = 0;  // Docker's: the command's, or 128 + signal
  bool signalled = false;
  std::string lost_output;  // not empty: output or log is incomplete, and why (a full disk)
};

// Runs to the end and returns the status. `started` is called in the parent with the child's
// host PID after its execve succeeded. Errors before that are thrown: command_not_found (127),
// not_executable (126), everything else 125. All output has been drained when this returns;
// the terminal is restored on every path.
ExitStatus launch(const LaunchSpec& spec, const std::function<void(int pid)>& started);

}  // namespace fastlayers::run
