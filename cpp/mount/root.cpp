#include "mount/root.hpp"

#include <atomic>
#include <cerrno>
#include <exception>
#include <thread>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "mount/erofs.hpp"
#include "mount/overlay.hpp"
#include "sys/file_system.hpp"
#include "sys/mount_api.hpp"
#include "sys/probe.hpp"

namespace fastlayers::mount {

namespace {

constexpr std::size_t kMaxLowers = 500;  // OVL_MAX_STACK

void check(const Root& plan) {
  if (plan.lowers.empty() && plan.upper.empty()) {
    throw Error(ErrorKind::invalid, "a root needs at least one lower");
  }
  if (!plan.lowers.empty() && plan.upper.empty() != plan.work.empty()) {
    throw Error(ErrorKind::invalid, "a root has an upper and a work directory, or neither");
  }
  if (plan.lowers.size() > kMaxLowers) {
    throw Error(ErrorKind::limit,
                "a stack of " + std::to_string(plan.lowers.size()) +
                    " lowers: overlayfs takes 500; use the erofs backend, which needs one");
  }
}

bool is_overlay(const Root& plan) {
  return plan.lowers.size() > 1 || (!plan.upper.empty() && !plan.lowers.empty());
}

sys::Fd mount_single(const Root& plan) {
  if (plan.lowers.empty()) {
    sys::Fd mount = sys::clone_mount(plan.upper);
    if (plan.read_only) sys::restrict_mount(mount.get());
    return mount;
  }
  const Lower& lower = plan.lowers.front();
  if (const auto* index = std::get_if<ErofsIndex>(&lower)) return mount_index(*index);
  sys::Fd mount = sys::clone_mount(std::get<Directory>(lower).path);
  sys::restrict_mount(mount.get());
  return mount;
}

// EINVAL is the kernel's answer to a descriptor where it knows only paths (before 6.13), to a
// detached mount as a layer (before 6.15), and to much else. To a descriptor it says EOPNOTSUPP
// where overlayfs knows only mount(2)'s options (before 6.5).
bool may_be_old_kernel(const Error& error) {
  const int number = error.errno_value();
  return error.kind() == ErrorKind::system &&
         (number == EINVAL || number == EBADF || number == EOPNOTSUPP);
}

// Runs `make` on a thread with a mount namespace of its own, which ends with the thread.
template <class Make>
sys::Fd in_private_namespace(Make make) {
  sys::Fd result;
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      sys::enter_private_mounts();
      result = make();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return result;
}

// Overlayfs says why only in the kernel's log, which is not ours to read.
[[noreturn]] void explain(const Root& plan, const Error& error) {
  if (error.kind() != ErrorKind::system || error.errno_value() != EINVAL) throw error;
  std::string message = error.what();
  if (!plan.upper.empty()) {
    message += ", upper on " + sys::file_system_name(plan.upper) + ", work on " +
               sys::file_system_name(plan.work);
  }
  throw Error(ErrorKind::unsupported,
              message +
                  "; overlayfs needs an upper and a work directory together on one file system "
                  "other than overlayfs and nfs: use another folder (--root)",
              EINVAL);
}

template <class MountAttached>
sys::Fd mount_plan(const Root& plan, MountAttached mount_attached) {
  static std::atomic<bool> takes_detached{true};
  static std::atomic<bool> takes_append{true};
  check(plan);
  if (!is_overlay(plan)) return mount_single(plan);
  const bool may_append = takes_append && !sys::is_forbidden("overlay-append");
  if (takes_detached && may_append) {
    try {
      return mount_overlay(plan, Layers::detached);
    } catch (const Error& error) {
      if (!may_be_old_kernel(error)) throw;
    }
  }
  if (may_append) {
    try {
      sys::Fd mount = mount_attached(Layers::attached);
      takes_detached = false;
      return mount;
    } catch (const Error& error) {
      if (!may_be_old_kernel(error)) throw;
    }
  }
  try {
    sys::Fd mount = mount_attached(Layers::joined);
    if (may_append) takes_append = false;
    return mount;
  } catch (const Error& error) {
    explain(plan, error);
  }
}

}  // namespace

sys::Fd attach(const Root& plan) {
  const ProfileTimer timer(ProfilePart::mount);
  return mount_plan(plan, [&](Layers layers) {
    return in_private_namespace([&] { return mount_overlay(plan, layers); });
  });
}

sys::Fd attach_here(const Root& plan) {
  const ProfileTimer timer(ProfilePart::mount);
  return mount_plan(plan, [&](Layers layers) { return mount_overlay(plan, layers); });
}

void move_to(const sys::Fd& mount, const std::string& target) {
  const ProfileTimer timer(ProfilePart::mount);
  sys::attach_mount(mount.get(), target);
}

void detach(const std::string& target, bool lazy) {
  const ProfileTimer timer(ProfilePart::mount);
  sys::unmount(target, lazy);
}

}  // namespace fastlayers::mount
