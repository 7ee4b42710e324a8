#include "run/volume.hpp"

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "run/copy_up.hpp"
#include "run/target.hpp"
#include "sys/file.hpp"
#include "sys/mount_point.hpp"
#include "sys/node.hpp"

namespace fastlayers::run {

namespace {

constexpr const char* kGeneratedFiles[] = {"resolv.conf", "hosts", "hostname"};

// Devices any container has: null is a favourite for hiding a file.
bool is_harmless_device(const struct stat& status) {
  if (!S_ISCHR(status.st_mode)) return false;
  const unsigned major = sys::device_major(status);
  const unsigned minor = sys::device_minor(status);
  return major == 1 && (minor == 3 || minor == 5 || (minor >= 7 && minor <= 9));
}

Volume open_volume(const BindMount& bind, bool privileged) {
  Volume volume;
  volume.target = clean_path(bind.target, "mount target");
  if (volume.target == "/") {
    throw Error(ErrorKind::invalid, "invalid mount target: it cannot be \"/\"");
  }
  auto source = sys::try_open(bind.source, O_PATH);
  if (!source) {
    if (errno != ENOENT) throw_errno("open the mount source " + bind.source);
    throw Error(ErrorKind::invalid, "bind source path does not exist: " + bind.source, ENOENT);
  }
  volume.source = std::move(*source);
  volume.source_path = bind.source;
  volume.copy_up = bind.copy_up;
  const auto status = sys::stat_fd(volume.source.get());
  volume.is_directory = S_ISDIR(status.st_mode);
  volume.mount = sys::clone_mount_at(volume.source.get(), "", true);
  unsigned flags = bind.read_only ? sys::kReadOnly : 0U;
  // See system_mount.hpp: a device node is no use in what a container can write to.
  if (!privileged && !is_harmless_device(status)) flags |= sys::kNoDevices;
  if (flags != 0) sys::add_mount_flags(volume.mount.get(), flags, true);
  return volume;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

void add_generated_files(const LaunchSpec& spec, std::vector<Volume>& volumes) {
  for (const char* name : kGeneratedFiles) {
    const std::string source = spec.directory + "/" + name;
    const std::string target = std::string("/etc/") + name;
    const auto is_same = [&](const Volume& other) { return other.target == target; };
    if (!sys::exists(source) || std::any_of(volumes.begin(), volumes.end(), is_same)) continue;
    // In an image the place is provided by the caller; in a volume over /etc nobody did.
    const bool create = std::any_of(volumes.begin(), volumes.end(), [&](const Volume& other) {
      return is_below(target, other.target);
    });
    BindMount bind;
    bind.source = source;
    bind.target = target;
    volumes.push_back(open_volume(bind, spec.privileged));
    volumes.back().create = create;
  }
}

sys::Fd open_target(int root_fd, const Volume& volume) {
  if (volume.create) {
    return open_or_create(root_fd, volume.target,
                          volume.is_directory ? TargetKind::directory : TargetKind::file);
  }
  auto target = sys::try_open_in_root(root_fd, volume.target, O_PATH);
  if (target && !S_ISDIR(sys::stat_fd(target->get()).st_mode)) return std::move(*target);
  throw Error(ErrorKind::invalid,
              volume.target + " cannot be provided: the root has no file " + volume.target +
                  " to mount it on",
              target ? EISDIR : errno);
}

void attach_volume(int root_fd, const Volume& volume) {
  const sys::Fd target = open_target(root_fd, volume);
  if (sys::is_on_proc(target.get())) {
    throw Error(ErrorKind::invalid, "nothing can be mounted inside /proc");
  }
  if (volume.copy_up && volume.is_directory) {
    const sys::Fd from = sys::open_in_root(root_fd, volume.target, O_RDONLY | O_DIRECTORY);
    copy_up(from.get(), volume.source_path);
  }
  sys::attach_mount_at(volume.mount.get(), target.get(), "");
}

}  // namespace

std::vector<Volume> open_volumes(const LaunchSpec& spec) {
  std::vector<Volume> volumes;
  for (const BindMount& bind : spec.binds) volumes.push_back(open_volume(bind, spec.privileged));
  add_generated_files(spec, volumes);
  // A mount goes on top of what it lies in, in whatever order they were asked for.
  std::stable_sort(volumes.begin(), volumes.end(), [](const Volume& left, const Volume& right) {
    return std::count(left.target.begin(), left.target.end(), '/') <
           std::count(right.target.begin(), right.target.end(), '/');
  });
  return volumes;
}

void attach_volumes(int root_fd, const std::vector<Volume>& volumes) {
  for (const Volume& volume : volumes) {
    try {
      attach_volume(root_fd, volume);
    } catch (Error& error) {
      error.add_context("mount " + volume.source_path + " on " + volume.target);
      throw;
    }
  }
}

}  // namespace fastlayers::run
