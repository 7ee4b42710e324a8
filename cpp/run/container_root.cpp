#include "run/container_root.hpp"

#include <vector>

#include "mount/root.hpp"
#include "run/volume.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/mount_point.hpp"
#include "sys/namespace.hpp"

namespace fastlayers::run {

sys::Fd attach_root(const LaunchSpec& spec) {
  sys::Fd root = mount::attach_here(spec.root);
  if (!spec.privileged) sys::add_mount_flags(root.get(), sys::kNoDevices, false);
  const std::string merged = spec.directory + "/merged";
  sys::make_dirs(merged, 0700);
  sys::attach_mount(root.get(), merged);
  return root;
}

void with_root(const LaunchSpec& spec, const std::function<void(int root_fd)>& work) {
  sys::enter_private_mounts();
  sys::clear_file_mask();  // the thread's own, as the mounts are
  if (spec.directory.empty()) {
    const sys::Fd root = mount::attach_here(spec.root);
    work(root.get());
    return;
  }
  std::vector<Volume> volumes = open_volumes(spec);
  const sys::Fd root = attach_root(spec);
  // The files of the host's network are there if the container still has a place for them: what is
  // left of one that has spoilt its /etc is wanted all the same.
  std::erase_if(volumes, [&](const Volume& volume) {
    return !volume.create && !sys::try_open_in_root(root.get(), volume.target, O_PATH);
  });
  attach_volumes(root.get(), volumes);
  if (spec.read_only) sys::add_mount_flags(root.get(), sys::kReadOnly, false);
  work(root.get());
}

}  // namespace fastlayers::run
