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
#include <utility>
#include <vector>

#include "mount/root.hpp"
#include "run/process_spec.hpp"

namespace fastlayers::run {

struct BindMount {
  std::string source;  // path on the host, or ROOT/volumes/...
  std::string
      target;  // absolute path in the container; resolved inside its root, created if missing
  bool read_only = false;
  bool copy_up = false;  // a new, empty volume: first filled with what the image has at target
};

struct TmpfsMount {
  std::string target;
  // As the kernel names them: size, mode, uid, gid, nr_inodes, nr_blocks. Without a mode it has the
  // one of the directory in whose place it is, or 1777.
  std::vector<std::pair<std::string, std::string>> options;
  bool read_only = false;
  bool executable = false;  // programs in it can be executed
  bool set_uid = false;     // and have their owner's rights
};

struct ImageMount {
  mount::Root root;  // without an upper: it is mounted read-only
  std::string target;
};

// A device of the host, by its number.
struct DeviceNode {
  std::string source;  // its path on the host
  std::string target;  // as in a BindMount
  bool is_block = false;
  unsigned major = 0;
  unsigned minor = 0;
  unsigned mode = 0;
  unsigned uid = 0;
  unsigned gid = 0;
};

enum class Network { host, none };

// None is a namespace of its own without /dev/shm.
enum class Ipc { own, none, host };

inline constexpr std::uint64_t kSharedMemoryBytes = std::uint64_t{64} << 20;  // Docker's

struct LaunchSpec : ProcessSpec {
  mount::Root root;
  std::string directory;  // containers/<id>: holds resolv.conf, hosts, hostname to be bound; log;
                          // must exist; the merged root is mounted on its subfolder "merged"
  std::string hostname;
  std::string domainname;
  Network network = Network::host;
  int network_fd = -1;  // with `host`: a network namespace to be joined instead
  Ipc ipc = Ipc::own;
  bool host_pid = false;  // it sees the host's processes
  bool host_uts = false;  // and has the host's name
  bool init = false;      // the command is a child of a first process that reaps what it leaves
  bool read_only = false;
  std::vector<BindMount> binds;
  std::vector<TmpfsMount> tmpfs;
  std::vector<ImageMount> images;
  std::vector<DeviceNode> devices;
  std::vector<std::pair<std::string, std::string>> sysctls;  // of its own namespaces
  std::uint64_t shm_bytes = kSharedMemoryBytes;              // the size of /dev/shm
  bool hide_system = true;  // what tells of the host in /proc and /sys, or would steer it
  bool privileged = false;  // all the host's devices, and /sys to be written
  bool log = false;         // copy stdout and stderr to <directory>/log as well
  bool kill_with_parent = false;
};

// Runs to the end and returns the status. `started` is called in the parent with the child's
// host PID after its execve succeeded. Errors before that are thrown: command_not_found (127),
// not_executable (126), everything else 125. All output has been drained when this returns;
// the terminal is restored on every path.
ExitStatus launch(const LaunchSpec& spec, const std::function<void(int pid)>& started);

// The same of one more process in a container, whose first process is behind `leader` (a pidfd).
// Its working directory must exist; that nobody is there any more is Error(conflict).
ExitStatus execute_in(const ProcessSpec& spec, int leader,
                      const std::function<void(int pid)>& started);

}  // namespace fastlayers::run
