#include "mount/overlay.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "mount/erofs.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::mount {

namespace {

constexpr std::size_t kMaxOptionBytes = 255;  // of one fsconfig(2) string

// Descriptors of all layers of one overlay. Mounts that it attached are taken away again.
class LayerFds {
 public:
  explicit LayerFds(Layers layers) : layers_(layers) {}
  LayerFds(const LayerFds&) = delete;
  LayerFds& operator=(const LayerFds&) = delete;
  ~LayerFds() {
    // The last one lies on top of the others.
    for (auto fd = attached_.rbegin(); fd != attached_.rend(); ++fd) sys::unmount_fd(*fd);
  }

  int open_directory(const std::string& path) {
    return keep(sys::open(path, O_RDONLY | O_DIRECTORY));
  }

  int open_lower(const Lower& lower) {
    if (const auto* directory = std::get_if<Directory>(&lower)) {
      return open_directory(directory->path);
    }
    const int fd = keep(mount_index(std::get<ErofsIndex>(lower)));
    if (layers_ != Layers::detached) {
      // On "/" it hides nothing: path walks start below what is mounted there. It is only ever
      // reached through its descriptor.
      sys::attach_mount(fd, "/");
      attached_.push_back(fd);
    }
    return fd;
  }

 private:
  int keep(sys::Fd fd) {
    fds_.push_back(std::move(fd));
    return fds_.back().get();
  }

  Layers layers_;
  std::vector<sys::Fd> fds_;
  std::vector<int> attached_;
};

void set_layer(sys::FsContext& context, Layers layers, const char* key, int fd) {
  if (layers == Layers::detached) {
    context.set_fd(key, fd);
  } else {
    // Not the path itself: overlayfs gives ':' and '\' a meaning, and it may be too long.
    context.set_string(key, sys::fd_path(fd));
  }
}

void add_lowers(sys::FsContext& context, const Root& plan, Layers layers, LayerFds& fds) {
  std::string joined;
  for (auto lower = plan.lowers.rbegin(); lower != plan.lowers.rend(); ++lower) {
    const int fd = fds.open_lower(*lower);
    if (layers != Layers::joined) {
      set_layer(context, layers, "lowerdir+", fd);
      continue;
    }
    if (!joined.empty()) joined += ':';
    joined += std::to_string(fd);
  }
  if (layers != Layers::joined) return;
  if (joined.size() > kMaxOptionBytes) {
    throw Error(ErrorKind::unsupported,
                "a stack of " + std::to_string(plan.lowers.size()) +
                    " lowers: this kernel's overlayfs takes fewer; Linux 6.7 takes 500");
  }
  sys::change_directory("/proc/self/fd");
  context.set_string("lowerdir", joined);
}

void set_options(sys::FsContext& context) {
  context.set_string("source", "overlay");
  // "off" would still follow redirects where the kernel is built to; and with userxattr only this
  // is accepted.
  context.set_string("redirect_dir", "nofollow");
  context.set_string("metacopy", "off");
  context.set_string("index", "off");
  if (!sys::in_initial_user_namespace()) context.set_flag("userxattr");
}

}  // namespace

sys::Fd mount_overlay(const Root& plan, Layers layers) {
  LayerFds fds(layers);
  sys::FsContext context("overlay");
  set_options(context);
  add_lowers(context, plan, layers, fds);
  if (!plan.upper.empty()) {
    set_layer(context, layers, "upperdir", fds.open_directory(plan.upper));
    set_layer(context, layers, "workdir", fds.open_directory(plan.work));
    if (plan.volatile_upper) context.set_flag("volatile");
  }
  context.create();
  const bool read_only = plan.read_only || plan.upper.empty();
  return context.mount(read_only ? sys::Access::read_only : sys::Access::read_write);
}

}  // namespace fastlayers::mount
