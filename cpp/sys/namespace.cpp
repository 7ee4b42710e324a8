#include "sys/namespace.hpp"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace fastlayers::sys {

void join_cgroup(const std::string& directory) {
  const Fd file = open(directory + "/cgroup.procs", O_WRONLY);
  write_all(file.get(), as_bytes("0"));
}

void enter_cgroup_namespace() {
  if (::unshare(CLONE_NEWCGROUP) != 0) throw_errno("make a cgroup namespace");
}

void set_oom_score_adj(int value) {
  const Fd file = open("/proc/self/oom_score_adj", O_WRONLY);
  write_all(file.get(), as_bytes(std::to_string(value)));
}

void keep_mounts_private() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw_errno("keep the mounts of a container from the host");
  }
}

namespace {

// Where we are in a namespace of the host's, so is who shares it, and to "join" it would take root
// on the host. A process that ended and whose number another has by now cannot be joined anyway.
bool shares(const char* kind, const Fd& process) {
  const std::string info = read_file("/proc/self/fdinfo/" + std::to_string(process.get()), 4096);
  const auto at = info.find("Pid:\t");
  if (at == std::string::npos) return false;
  const std::string pid = std::to_string(std::atol(info.c_str() + at + 5));
  const auto own = try_open(std::string("/proc/self/ns/") + kind, O_RDONLY);
  const auto its = try_open("/proc/" + pid + "/ns/" + kind, O_RDONLY);
  if (!own || !its) return false;
  const struct stat here = stat_fd(own->get());
  const struct stat there = stat_fd(its->get());
  return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

}  // namespace

void join_namespaces(const Fd& leader) {
  const int network = shares("net", leader) ? 0 : CLONE_NEWNET;
  const int cgroup = shares("cgroup", leader) ? 0 : CLONE_NEWCGROUP;
  if (::setns(leader.get(), CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | network | cgroup) == 0) {
    return;
  }
  if (errno == ESRCH) throw Error(ErrorKind::conflict, "the container is not running", ESRCH);
  throw_errno("join the container's namespaces");
}

Fd new_network() {
  Fd network;
  std::exception_ptr failure;
  // A thread can leave the network of its process alone, and nobody sees it do so.
  std::thread maker([&] {
    try {
      if (::unshare(CLONE_NEWNET) != 0) throw_errno("make a network namespace");
      network = open("/proc/thread-self/ns/net", O_RDONLY);
      const Fd ports = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
      write_all(ports.get(), as_bytes("0"));
    } catch (...) {
      failure = std::current_exception();
    }
  });
  maker.join();
  if (failure) std::rethrow_exception(failure);
  return network;
}

void join_network(const Fd& network) {
  if (::setns(network.get(), CLONE_NEWNET) != 0) throw_errno("join a network");
}

void raise_loopback() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("open a socket to bring the loopback interface up");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    throw_errno("bring the loopback interface up");
  }
}

void set_hostname(const std::string& name) {
  if (::sethostname(name.data(), name.size()) == 0) return;
  if (errno == EINVAL) {
    throw Error(ErrorKind::invalid, "the host name \"" + name + "\" is longer than 64 bytes");
  }
  throw_errno("set the host name");
}

void set_domainname(const std::string& name) {
  if (::setdomainname(name.data(), name.size()) != 0) throw_errno("set the domain name");
}

std::string hostname() {
  char name[HOST_NAME_MAX + 1] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) throw_errno("read the host name");
  return name;
}

void pivot_into(int root_fd) {
  change_directory(root_fd);
  // Both places are the new root: the old one comes to lie on top of it and is taken away.
  if (::syscall(SYS_pivot_root, ".", ".") != 0) {
    if (errno == EINVAL) {
      throw Error(ErrorKind::unsupported,
                  "pivot_root is refused: the root of this process is an initial ram disk or a "
                  "chroot; run on a root that is a mount",
                  EINVAL);
    }
    throw_errno("pivot_root into the container");
  }
  if (::umount2(".", MNT_DETACH) != 0) throw_errno("drop the host's mounts");
  if (::chdir("/") != 0) throw_errno("enter the container's root");
}

void change_directory(int directory_fd) {
  if (::fchdir(directory_fd) != 0) throw_errno("enter a directory of the container");
}

std::string current_directory() {
  char path[PATH_MAX];
  // Not getcwd(3), which guesses when the kernel says "(unreachable)".
  if (::syscall(SYS_getcwd, path, sizeof(path)) < 0) throw_errno("read the working directory");
  if (path[0] != '/') {
    throw Error(ErrorKind::traversal, "the working directory is outside the container's root");
  }
  return path;
}

void clear_file_mask() { ::umask(0); }

}  // namespace fastlayers::sys
