#include "run/volume.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "mount/root.hpp"
#include "run/copy_up.hpp"
#include "run/target.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/node.hpp"

namespace fastlayers::run {

namespace {

constexpr unsigned kModeBits = 07777;
constexpr const char* kGeneratedFiles[] = {"resolv.conf", "hosts", "hostname"};

std::string octal(unsigned mode) {
  char text[8];
  std::snprintf(text, sizeof(text), "%o", mode);
  return text;
}

// Devices any container has: null is a favourite for hiding a file.
bool is_harmless_device(const struct stat& status) {
  if (!S_ISCHR(status.st_mode)) return false;
  const unsigned major = sys::device_major(status);
  const unsigned minor = sys::device_minor(status);
  return major == 1 && (minor == 3 || minor == 5 || (minor >= 7 && minor <= 9));
}

Volume volume_on(const std::string& target, const std::string& source_path) {
  Volume volume;
  volume.source_path = source_path;
  volume.target = clean_path(target, "mount target");
  if (volume.target == "/") {
    throw Error(ErrorKind::invalid, "invalid mount target: it cannot be \"/\"");
  }
  return volume;
}

Volume open_volume(const BindMount& bind, const LaunchSpec& spec) {
  Volume volume = volume_on(bind.target, bind.source);
  const auto source = sys::try_open(bind.source, O_PATH);
  if (!source) {
    if (errno != ENOENT) throw_errno("open the mount source " + bind.source);
    throw Error(ErrorKind::invalid, "bind source path does not exist: " + bind.source, ENOENT);
  }
  volume.copy_up = bind.copy_up;
  volume.is_kept = !spec.root.volatile_upper || !bind.source.starts_with(spec.directory + "/");
  const auto status = sys::stat_fd(source->get());
  volume.is_directory = S_ISDIR(status.st_mode);
  volume.mount = sys::clone_mount_at(source->get(), "", true);
  unsigned flags = bind.read_only ? sys::kReadOnly : 0U;
  // See system_mount.hpp: a device node is no use in what a container can write to.
  if (!spec.privileged && !is_harmless_device(status)) flags |= sys::kNoDevices;
  if (flags != 0) sys::add_mount_flags(volume.mount.get(), flags, true);
  return volume;
}

Volume open_image(const ImageMount& image, const LaunchSpec& spec) {
  Volume volume = volume_on(image.target, "an image");
  volume.is_directory = true;
  volume.mount = mount::attach_here(image.root);
  if (!spec.privileged) sys::add_mount_flags(volume.mount.get(), sys::kNoDevices, false);
  return volume;
}

Volume plan_tmpfs(const TmpfsMount& tmpfs) {
  Volume volume = volume_on(tmpfs.target, "tmpfs");
  volume.is_directory = true;
  volume.tmpfs = tmpfs;
  return volume;
}

sys::Fd make_tmpfs(const TmpfsMount& tmpfs, std::optional<unsigned> mode) {
  sys::FsContext context("tmpfs");
  context.set_string("source", "tmpfs");
  if (mode) context.set_string("mode", octal(*mode));
  for (const auto& [key, value] : tmpfs.options) context.set_string(key, value);
  context.create();
  sys::Fd mount = context.mount(sys::Access::read_write);
  // No devices, whatever the container may do: see system_mount.hpp.
  unsigned flags = sys::kNoDevices;
  if (!tmpfs.executable) flags |= sys::kNoExecute;
  if (!tmpfs.set_uid) flags |= sys::kNoSuid;
  sys::add_mount_flags(mount.get(), flags, false);
  return mount;
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
    volumes.push_back(open_volume(bind, spec));
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

void attach_volume(int root_fd, Volume& volume) {
  const auto before = volume.tmpfs ? sys::try_open_in_root(root_fd, volume.target, O_PATH)
                                   : std::optional<sys::Fd>();
  const sys::Fd target = open_target(root_fd, volume);
  if (sys::is_on_proc(target.get())) {
    throw Error(ErrorKind::invalid, "nothing can be mounted inside /proc");
  }
  if (volume.copy_up && volume.is_directory) {
    const sys::Fd from = sys::open_in_root(root_fd, volume.target, O_RDONLY | O_DIRECTORY);
    copy_up(from.get(), volume.source_path, volume.is_kept);
  }
  if (volume.tmpfs) {
    std::optional<unsigned> mode;
    if (before) mode = sys::stat_fd(before->get()).st_mode & kModeBits;
    volume.mount = make_tmpfs(*volume.tmpfs, mode);
  }
  sys::attach_mount_at(volume.mount.get(), target.get(), "");
}

}  // namespace

std::vector<Volume> open_volumes(const LaunchSpec& spec) {
  std::vector<Volume> volumes;
  for (const BindMount& bind : spec.binds) volumes.push_back(open_volume(bind, spec));
  for (const ImageMount& image : spec.images) volumes.push_back(open_image(image, spec));
  for (const TmpfsMount& tmpfs : spec.tmpfs) volumes.push_back(plan_tmpfs(tmpfs));
  add_generated_files(spec, volumes);
  // A mount goes on top of what it lies in, in whatever order they were asked for.
  std::stable_sort(volumes.begin(), volumes.end(), [](const Volume& left, const Volume& right) {
    return std::count(left.target.begin(), left.target.end(), '/') <
           std::count(right.target.begin(), right.target.end(), '/');
  });
  return volumes;
}

void attach_volumes(int root_fd, std::vector<Volume>& volumes) {
  for (Volume& volume : volumes) {
    try {
      attach_volume(root_fd, volume);
    } catch (Error& error) {
      error.add_context("mount " + volume.source_path + " on " + volume.target);
      throw;
    }
  }
  // Not before: mount points inside it had to be made.
  for (const Volume& volume : volumes) {
    if (volume.tmpfs && volume.tmpfs->read_only) {
      sys::add_mount_flags(volume.mount.get(), sys::kReadOnly, false);
    }
  }
}

}  // namespace fastlayers::run
