// Runtime: a container that an OCI runtime of the host (crun, runc, youki) starts from a bundle.
//
// A keeper, a program of the caller's, is the first process of a PID and a mount namespace of its
// own. In these the container's root, its images and the bundle, a new tmpfs, are mounted, and the
// runtime makes the container's namespaces below them. So whoever is killed, be it the runtime, the
// keeper or we, the kernel ends what they have started, and takes away the mounts and the runtime's
// state, which lies in the bundle. Of a container with the host's processes the keeper is one of
// them, too: it adopts what the container orphans, and when we have ended it ends the first
// process.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "run/account.hpp"
#include "run/launch.hpp"

namespace fastlayers::run {

struct RuntimeSpec {
  // The keeper's program and arguments. It starts in the bundle, <directory>/bundle, with the
  // container's standard streams as its own (the null device if there is to be a terminal) and
  // `report_fd` as descriptor 3. Its exit code is the container's.
  std::vector<std::string> keeper;
  // config.json; in the bundle an image n of the spec is mounted on images/<n>, the control group n
  // on cgroups/<n> and the network on the file "network"; if the spec says `init`, the file "init"
  // is the porter.
  std::string config;
  unsigned uid = 0;  // who owns the streams
  int report_fd = -1;
  int receive_fd = -1;  // ours, readable when there is a report
};

// The container's first process, as the keeper has told.
struct Reported {
  int pid = 0;
  sys::Fd pidfd;
  sys::Fd terminal;  // the end that is ours, if it has one
};

// As launch(). `receive` takes the keeper's report; nothing if it has failed, which is
// Error(system) here, as is a signal that is to end us while the runtime has not started anything.
ExitStatus launch_with_runtime(const LaunchSpec& spec, const RuntimeSpec& runtime,
                               const std::function<std::optional<Reported>()>& receive,
                               const std::function<void(int pid)>& started);

struct Prepared {
  Account account;
  std::vector<std::string> environment;
  std::vector<std::string> candidates;  // with `find`: as Command has them
};

// What a runtime would not do, in the root of a container that does not run: fills new volumes,
// makes the working directory, finds the user and completes the environment. With `find` a command
// that is not there is the Error of launch(). For a thread that ends afterwards (see with_root()).
Prepared prepare_for_runtime(LaunchSpec spec, bool find);

}  // namespace fastlayers::run
