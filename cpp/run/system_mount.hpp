// /proc, /dev and /sys of a container.
//
// All of them are new file systems of ours, so that nothing in an image can stand in for a part of
// them; they are reached through their own descriptors while they are being furnished.
//
// A container keeps Docker's capability to make device nodes, but there is no device cgroup that
// would limit what they open. So the root, the volumes and /dev itself are mounted without devices,
// and each node of /dev is a mount of its own, of that one device. A privileged container may open
// any device.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "run/launch.hpp"
#include "sys/fd.hpp"

namespace fastlayers::run {

struct SystemMounts {
  sys::Fd dev;     // root directory of /dev
  sys::Fd devpts;  // root directory of /dev/pts
  sys::Fd sys;     // root directory of /sys; of new ones only
  bool is_new = false;
};

struct SystemMountOptions {
  bool privileged = false;      // all of the host's devices are there; /sys can be written
  bool hide = true;             // what Docker masks and makes read-only
  bool host_pid = false;        // the host's processes are in /proc
  std::uint64_t shm_bytes = 0;  // the size of /dev/shm
  Ipc ipc = Ipc::own;           // of the host: its /dev/shm and /dev/mqueue are there
  const std::vector<DeviceNode>& devices;
  const std::vector<std::pair<std::string, std::string>>& sysctls;
};

// `root_fd` is attached in the calling thread's own mount namespace; the thread's children are in
// the container's PID namespace and it is itself in the container's network namespace.
SystemMounts mount_system(int root_fd, const SystemMountOptions& options);

// For a process that is in the control groups it is to stay in: they become all there is of the
// hierarchy, where the host has version 2 alone (which Docker calls a private cgroup namespace).
void show_own_cgroups(const SystemMounts& mounts, bool privileged);

// Those of a container that runs, of which the calling process has the root: what its root has made
// of them is not trusted.
SystemMounts find_system(int root_fd);

// Puts the terminal on /dev/console.
void mount_console(const SystemMounts& mounts, int terminal_fd);

// Makes a null device in a directory that is no container's.
void make_null(int directory_fd);

// The null device of the container: unlike the host's it is no harm if the container changes it.
sys::Fd open_null(const SystemMounts& mounts);

}  // namespace fastlayers::run
