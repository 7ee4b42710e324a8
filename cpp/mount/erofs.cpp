#include "mount/erofs.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/loop.hpp"
#include "sys/mount_api.hpp"

namespace fastlayers::mount {

namespace {

// Mounts with every file of `index` turned into an option by an `Option` (a file or a device),
// which must live until the superblock exists.
template <class Option, class Text>
sys::Fd mount_with(const ErofsIndex& index, Text text) {
  sys::FsContext context("erofs");
  std::vector<Option> options;
  options.reserve(index.devices.size() + 1);
  options.emplace_back(index.index);
  context.set_string("source", text(options.back()));
  for (const std::string& device : index.devices) {
    options.emplace_back(device);
    context.set_string("device", text(options.back()));
  }
  context.set_flag("ro");
  context.create();
  return context.mount(sys::Access::read_only);
}

// The kernel does not say which of many files it could not open.
const std::string* find_missing(const ErofsIndex& index) {
  if (!sys::exists(index.index)) return &index.index;
  for (const std::string& device : index.devices) {
    if (!sys::exists(device)) return &device;
  }
  return nullptr;
}

[[noreturn]] void explain(const ErofsIndex& index, const Error& error) {
  const std::string message = "mount EROFS index " + index.index + ": " + error.what();
  if (error.errno_value() == ENOENT) {
    if (const std::string* missing = find_missing(index)) {
      throw Error(ErrorKind::not_found,
                  "mount EROFS index " + index.index + ": its file " + *missing +
                      " is missing from the store",
                  ENOENT);
    }
  }
  if (error.errno_value() == ENOTBLK && !index.through_loop) {
    throw Error(ErrorKind::unsupported,
                message +
                    "; on this file system the kernel mounts an index only through loop "
                    "devices",
                ENOTBLK);
  }
  if (error.errno_value() == EINVAL || error.errno_value() == EUCLEAN ||
      error.errno_value() == EBADMSG) {
    throw Error(ErrorKind::corrupt,
                message +
                    "; the index is damaged or does not fit its files: remove it, and it "
                    "is built anew (kernels before Linux 6.4 refuse every index)",
                error.errno_value());
  }
  if (error.kind() == ErrorKind::unsupported) {
    throw Error(error.kind(), message + "; the overlay backend needs no EROFS",
                error.errno_value());
  }
  throw Error(error.kind(), message, error.errno_value());
}

}  // namespace

sys::Fd mount_index(const ErofsIndex& index) {
  try {
    if (index.through_loop) {
      return mount_with<sys::LoopDevice>(index, [](const auto& loop) { return loop.path(); });
    }
    return mount_with<sys::PathOption>(index, [](const auto& path) { return path.text(); });
  } catch (const Error& error) {
    explain(index, error);
  }
}

}  // namespace fastlayers::mount
