// ProcessSpec: one process in a container, its first or one that joins it, and its streams.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "run/confinement.hpp"

namespace fastlayers::run {

struct Ulimit {
  int resource = 0;  // as setrlimit(2) numbers it
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;  // all bits set: none
};

struct ProcessSpec {
  std::vector<std::string> argv;     // argv[0] is looked up in PATH of `env` inside the root
  std::vector<std::string> env;      // K=V; HOME is added if absent (from passwd of the root)
  std::string cwd = "/";             // inside the root; of the first process created if missing
  std::string user;                  // "", name, uid, name:group, uid:gid
  std::vector<std::string> groups;   // names and numbers of more groups the user is in
  std::vector<std::string> cgroups;  // folders of the groups it joins
  std::vector<Ulimit> ulimits;
  std::optional<int> oom_score_adj;  // none: the caller's
  Confinement confinement;
  bool tty = false;
  bool interactive = false;  // keep stdin open; otherwise the child's stdin is /dev/null
  bool attach = true;        // false: no stdin, stdout, stderr of ours (detached)
  // Without streams of ours it may be served: its streams are those of who attaches (audience.hpp),
  // `client` a socket to the first of them, if there is one already, and handed over. With streams
  // of ours others can attach to a container's as well.
  bool served = false;
  int client = -1;
  bool stdin_once = false;    // its input ends with that of the first who ends or leaves
  int rows = 0, columns = 0;  // of its terminal, to begin with
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;  // ours
};

struct ExitStatus {
  int code = 0;  // Docker's: the command's, or 128 + signal
  bool signalled = false;
  std::string lost_output;  // not empty: output or log is incomplete, and why (a full disk)
};

}  // namespace fastlayers::run
