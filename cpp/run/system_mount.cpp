#include "run/system_mount.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "run/target.hpp"
#include "sys/file.hpp"
#include "sys/file_system.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"
#include "sys/node.hpp"
#include "sys/stream.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::run {

namespace {

using Options = std::vector<std::pair<const char*, const char*>>;

constexpr unsigned kBare = sys::kNoSuid | sys::kNoDevices | sys::kNoExecute;

struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr Device kDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

constexpr std::pair<const char*, const char*> kLinks[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"}};

// Docker's lists: what tells of the host or would steer it.
constexpr const char* kMaskedProc[] = {"acpi",       "asound",        "interrupts",  "kcore",
                                       "keys",       "latency_stats", "sched_debug", "scsi",
                                       "timer_list", "timer_stats"};
constexpr const char* kReadOnlyProc[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};
constexpr const char* kMaskedSys[] = {"firmware", "devices/virtual/powercap"};

sys::Fd new_mount(const char* type, const Options& options, unsigned flags,
                  const char* source = nullptr) {
  sys::FsContext context(type);
  context.set_string("source", source != nullptr ? source : type);
  for (const auto& [key, value] : options) {
    if (value == nullptr) {
      context.set_flag(key);
    } else {
      context.set_string(key, value);
    }
  }
  context.create();
  sys::Fd mount = context.mount(sys::Access::read_write);
  if (flags != 0) sys::add_mount_flags(mount.get(), flags, false);
  return mount;
}

void attach(const sys::Fd& mount, const sys::Fd& target) {
  sys::attach_mount_at(mount.get(), target.get(), "");
}

// Where no device may be made (in a user namespace), the host's own is lent, read-only: that keeps
// its inode from being changed but not the device from being written.
sys::Fd borrow_device(const std::string& path, unsigned type, unsigned major, unsigned minor) {
  const sys::Fd host = sys::open(path, O_PATH);
  const auto status = sys::stat_fd(host.get());
  if ((status.st_mode & S_IFMT) != type || sys::device_major(status) != major ||
      sys::device_minor(status) != minor) {
    throw Error(ErrorKind::unsupported, path + " of the host is not the device of that name");
  }
  sys::Fd mount = sys::clone_mount_at(host.get(), "", false);
  sys::add_mount_flags(mount.get(), sys::kReadOnly | sys::kNoSuid | sys::kNoExecute, false);
  return mount;
}

// A mount of one device, to be put on its name in `dev_fd` later.
sys::Fd make_device(int dev_fd, const Device& device) {
  try {
    sys::make_node_at(dev_fd, device.name, S_IFCHR, device.major, device.minor);
  } catch (const Error& error) {
    if (error.errno_value() != EPERM) throw;
    sys::open_at(dev_fd, device.name, O_WRONLY | O_CREAT | O_EXCL, 0666);
    return borrow_device(std::string("/dev/") + device.name, S_IFCHR, device.major, device.minor);
  }
  sys::set_mode_at(dev_fd, device.name, 0666);
  return sys::clone_mount_at(dev_fd, device.name, false);
}

// A mount of one device of the host, by way of a node in `dev_fd` where that can be made.
sys::Fd lend_device(int dev_fd, const std::string& name, const DeviceNode& device) {
  const unsigned type = device.is_block ? S_IFBLK : S_IFCHR;
  try {
    sys::make_node_at(dev_fd, name, type, device.major, device.minor);
  } catch (Error& error) {
    if (error.errno_value() == EPERM) {
      return borrow_device(device.source, type, device.major, device.minor);
    }
    error.add_context("add the device " + device.target);
    throw;
  }
  sys::set_owner_at(dev_fd, name, device.uid, device.gid);
  sys::set_mode_at(dev_fd, name, device.mode);
  return sys::clone_mount_at(dev_fd, name, false);
}

std::string lent_name(std::size_t number) { return ".device-" + std::to_string(number); }

sys::Fd lend(const char* path) {
  return sys::clone_mount_at(sys::open(path, O_PATH | O_DIRECTORY).get(), "", true);
}

void mount_below(int dev_fd, const char* name, const sys::Fd& mount) {
  sys::make_directory_at(dev_fd, name, 0755);
  sys::attach_mount_at(mount.get(), dev_fd, name);
}

// The host's nodes: those that every container has are there, and /dev has file systems of its own.
void copy_devices(int host_fd, int dev_fd) {
  constexpr const char* kOwn[] = {"pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts"};
  for (const auto& name : sys::list_dir(host_fd)) {
    if (std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn)) continue;
    const auto entry = sys::try_open_in_root(host_fd, name, O_PATH | O_NOFOLLOW);
    if (!entry) continue;  // gone again, or a link
    const auto status = sys::stat_fd(entry->get());
    if (S_ISDIR(status.st_mode)) {
      sys::make_directory_at(dev_fd, name, 0755);
      copy_devices(sys::open_in_root(host_fd, name, O_RDONLY | O_DIRECTORY).get(),
                   sys::open_at(dev_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get());
    } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
      if (sys::try_open_in_root(dev_fd, name, O_PATH | O_NOFOLLOW)) continue;
      if (!sys::in_initial_user_namespace()) {
        sys::open_at(dev_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0666);
        sys::attach_mount_at(sys::clone_mount_at(entry->get(), "", false).get(), dev_fd, name);
        continue;
      }
      sys::make_node_at(dev_fd, name, status.st_mode & S_IFMT, sys::device_major(status),
                        sys::device_minor(status));
      sys::set_owner_at(dev_fd, name, status.st_uid, status.st_gid);
      sys::set_mode_at(dev_fd, name, status.st_mode & 07777);
    }
  }
}

SystemMounts mount_dev(int root_fd, const SystemMountOptions& options) {
  SystemMounts mounts;
  mounts.dev = new_mount("tmpfs", {{"mode", "755"}, {"size", "65536k"}}, sys::kNoSuid);
  attach(mounts.dev, open_system_point(root_fd, "dev"));
  const int dev = mounts.dev.get();

  std::vector<sys::Fd> devices;
  for (const Device& device : kDevices) devices.push_back(make_device(dev, device));
  std::vector<sys::Fd> lent;
  for (const DeviceNode& device : options.devices) {
    lent.push_back(lend_device(dev, lent_name(lent.size()), device));
  }
  if (!options.privileged) sys::add_mount_flags(dev, sys::kNoDevices, false);
  for (std::size_t i = 0; i < devices.size(); ++i) {
    sys::attach_mount_at(devices[i].get(), dev, kDevices[i].name);
  }
  for (const auto& [name, target] : kLinks) sys::make_symlink_at(dev, name, target);

  Options pts = {{"newinstance", nullptr}, {"ptmxmode", "0666"}, {"mode", "0620"}};
  if (!sys::has_single_id()) pts.emplace_back("gid", "5");  // tty
  mounts.devpts = new_mount("devpts", pts, sys::kNoSuid | sys::kNoExecute);
  mount_below(dev, "pts", mounts.devpts);
  if (options.ipc == Ipc::own) {
    const std::string size = std::to_string(options.shm_bytes);
    mount_below(dev, "shm",
                new_mount("tmpfs", {{"mode", "1777"}, {"size", size.c_str()}}, kBare, "shm"));
  } else if (options.ipc == Ipc::host) {
    mount_below(dev, "shm", lend("/dev/shm"));
  }
  mount_below(dev, "mqueue", new_mount("mqueue", {}, kBare));
  if (options.privileged) copy_devices(sys::open("/dev", O_RDONLY | O_DIRECTORY).get(), dev);
  for (std::size_t i = 0; i < lent.size(); ++i) {
    const std::string path = clean_path(options.devices[i].target, "the device");
    attach(lent[i], open_or_create(root_fd, path, TargetKind::file));
    sys::try_unlink_at(dev, lent_name(i));  // what is mounted stays
  }
  return mounts;
}

// Hides one object of a file system of ours, if it has it: a directory behind an empty one, a file
// behind the null device.
void mask(int fs_fd, const std::string& path, int dev_fd) {
  const auto target = sys::try_open_in_root(fs_fd, path, O_PATH | O_NOFOLLOW);
  if (!target) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    throw_errno("hide " + path + " of the system");
  }
  if (S_ISDIR(sys::stat_fd(target->get()).st_mode)) {
    attach(new_mount("tmpfs", {{"mode", "755"}, {"nr_inodes", "1"}}, kBare | sys::kReadOnly),
           *target);
  } else {
    attach(sys::clone_mount_at(dev_fd, "null", false), *target);
  }
}

void make_read_only(int fs_fd, const char* name) {
  const auto target = sys::try_open_in_root(fs_fd, name, O_PATH | O_NOFOLLOW);
  if (!target) {
    if (errno == ENOENT) return;
    throw_errno(std::string("protect /proc/") + name);
  }
  const sys::Fd copy = sys::clone_mount_at(target->get(), "", true);
  sys::add_mount_flags(copy.get(), kBare | sys::kReadOnly, true);
  attach(copy, *target);
}

void set_parameter(int proc_fd, const std::string& name, const std::string& value) {
  std::string path = "sys/" + name;
  // A dot in a part of the name is written as a slash: net.ipv4.conf.eth0/1.forwarding.
  for (std::size_t i = 4; i < path.size(); ++i) {
    path[i] = path[i] == '.' ? '/' : path[i] == '/' ? '.' : path[i];
  }
  try {
    const sys::Fd file = sys::open_in_root(proc_fd, path, O_WRONLY);
    sys::write_all(file.get(), as_bytes(value));
  } catch (Error& error) {
    error.add_context("set the sysctl " + name + " to " + value);
    throw;
  }
}

sys::Fd new_proc(bool host_pid) {
  try {
    return new_mount("proc", {}, kBare);
  } catch (const Error& error) {
    if (error.errno_value() != EPERM || sys::in_initial_user_namespace()) throw;
    if (host_pid) {  // they are not ours to show; then as they are shown here
      sys::Fd mount = sys::clone_mount_at(sys::open("/proc", O_PATH).get(), "", true);
      sys::add_mount_flags(mount.get(), kBare, true);
      return mount;
    }
    throw Error(ErrorKind::unsupported,
                "no /proc can be mounted in this user namespace, because parts of the one around "
                "it are hidden: run on the host, or in a container whose /proc is not masked "
                "(--security-opt systempaths=unconfined)",
                EPERM);
  }
}

void mount_proc(int root_fd, int dev_fd, const SystemMountOptions& options) {
  const sys::Fd proc = new_proc(options.host_pid);
  attach(proc, open_system_point(root_fd, "proc"));
  for (const auto& [name, value] : options.sysctls) set_parameter(proc.get(), name, value);
  if (!options.hide) return;
  for (const char* name : kMaskedProc) mask(proc.get(), name, dev_fd);
  for (const char* name : kReadOnlyProc) make_read_only(proc.get(), name);
}

void mask_thermal_counters(int sys_fd, int dev_fd) {
  const std::string cpus = "devices/system/cpu";
  if (!sys::try_open_in_root(sys_fd, cpus + "/cpu0/thermal_throttle", O_PATH)) return;
  const sys::Fd directory = sys::open_in_root(sys_fd, cpus, O_RDONLY | O_DIRECTORY);
  for (const auto& name : sys::list_dir(directory.get())) {
    if (name.starts_with("cpu")) mask(directory.get(), name + "/thermal_throttle", dev_fd);
  }
}

std::optional<sys::Fd> open_cgroups(int sys_fd) {
  return sys::try_open_in_root(sys_fd, "fs/cgroup", O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

void mount_cgroups(int sys_fd, unsigned flags) {
  const auto host = sys::try_open("/sys/fs/cgroup", O_PATH | O_DIRECTORY);
  const auto target = open_cgroups(sys_fd);
  if (!host || !target || sys::is_unified_cgroup(host->get())) return;
  const sys::Fd copy = sys::clone_mount_at(host->get(), "", true);
  sys::add_mount_flags(copy.get(), flags, true);
  attach(copy, *target);
}

unsigned sys_flags(bool privileged) { return kBare | (privileged ? 0U : sys::kReadOnly); }

sys::Fd mount_sys(int root_fd, int dev_fd, const SystemMountOptions& options) {
  const unsigned flags = sys_flags(options.privileged);
  const sys::Fd target = open_system_point(root_fd, "sys");
  sys::Fd mount;
  try {
    mount = new_mount("sysfs", {}, flags);
    attach(mount, target);
    mount_cgroups(mount.get(), flags);
  } catch (const Error& error) {
    // Refused where the network namespace is not ours to show; then the host's, as it is.
    if (mount || (error.errno_value() != EPERM && error.errno_value() != EACCES)) throw;
    mount = sys::clone_mount_at(sys::open("/sys", O_PATH).get(), "", true);
    sys::add_mount_flags(mount.get(), flags, true);
    attach(mount, target);
  }
  if (!options.hide) return mount;
  for (const char* path : kMaskedSys) mask(mount.get(), path, dev_fd);
  mask_thermal_counters(mount.get(), dev_fd);
  return mount;
}

}  // namespace

SystemMounts mount_system(int root_fd, const SystemMountOptions& options) {
  SystemMounts mounts = mount_dev(root_fd, options);
  mounts.is_new = true;
  mount_proc(root_fd, mounts.dev.get(), options);
  mounts.sys = mount_sys(root_fd, mounts.dev.get(), options);
  return mounts;
}

void make_null(int directory_fd) {
  const Device& null = kDevices[0];
  sys::attach_mount_at(make_device(directory_fd, null).get(), directory_fd, null.name);
}

void show_own_cgroups(const SystemMounts& mounts, bool privileged) {
  const auto host = sys::try_open("/sys/fs/cgroup", O_PATH | O_DIRECTORY);
  if (!host || !sys::is_unified_cgroup(host->get())) return;
  const auto target = open_cgroups(mounts.sys.get());
  if (!target) return;
  sys::enter_cgroup_namespace();
  attach(new_mount("cgroup2", {}, sys_flags(privileged), "cgroup"), *target);
}

SystemMounts find_system(int root_fd) {
  SystemMounts mounts;
  mounts.dev = sys::open_in_root(root_fd, "dev", O_PATH | O_DIRECTORY | O_NOFOLLOW);
  mounts.devpts = sys::open_in_root(root_fd, "dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW);
  return mounts;
}

void mount_console(const SystemMounts& mounts, int terminal_fd) {
  sys::open_at(mounts.dev.get(), "console", O_WRONLY | O_CREAT | O_EXCL, 0600);
  sys::attach_mount_at(sys::clone_mount_at(terminal_fd, "", false).get(), mounts.dev.get(),
                       "console");
}

sys::Fd open_null(const SystemMounts& mounts) {
  sys::Fd null = sys::open_at(mounts.dev.get(), "null", O_RDWR | O_NOCTTY);
  if (sys::stream_kind(null.get()) != sys::StreamKind::null_device) {
    throw Error(ErrorKind::conflict, "the container's /dev/null is not the null device any more");
  }
  return null;
}

}  // namespace fastlayers::run
