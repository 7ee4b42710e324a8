#include "sys/probe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/file_system.hpp"
#include "sys/loop.hpp"
#include "sys/mount_api.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::sys {

namespace {

// A folder of scratch files, gone with this object.
class Scratch {
 public:
  explicit Scratch(const std::string& directory) : path_(directory + "/" + unique_name(".probe-")) {
    make_dirs(path_, 0700);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    try {
      remove_tree(path_);
    } catch (const Error&) {
      // A probe answers; what it could not remove the store's garbage collection will.
    }
  }
  std::string make_dir(const std::string& name) const {
    make_dirs(path_ + "/" + name, 0755);
    return path_ + "/" + name;
  }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::string path = path_ + "/" + name;
    const Fd file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    write_all(file.get(), as_bytes(bytes));
    return path;
  }

 private:
  std::string path_;
};

// The smallest EROFS: 512-byte blocks, a superblock and an empty root directory.
std::string smallest_erofs() {
  constexpr std::size_t kSuper = 1024;
  constexpr std::size_t kRoot = 1536;
  std::string image(2048, '\0');
  const auto put = [&image](std::size_t at, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) image[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(kSuper, 0xe0f5e1e2, 4);               // magic
  put(kSuper + 12, 9, 1);                   // block bits
  put(kSuper + 16, 1, 8);                   // inodes
  put(kSuper + 36, image.size() / 512, 4);  // blocks
  put(kSuper + 40, kRoot / 512, 4);         // start of the inodes; the root is number 0
  put(kRoot, 1 | 2 << 1, 2);                // 64-byte inode, data behind it
  put(kRoot + 4, 0040755, 2);
  put(kRoot + 8, 27, 8);  // size: two entries of 12 bytes and the names
  put(kRoot + 44, 2, 4);  // links
  put(kRoot + 64 + 8, 24, 2);
  put(kRoot + 64 + 10, 2, 1);
  put(kRoot + 76 + 8, 25, 2);
  put(kRoot + 76 + 10, 2, 1);
  std::memcpy(image.data() + kRoot + 88, "...", 3);
  return image;
}

std::string reason(const Error& error, const std::string& directory) {
  switch (error.errno_value()) {
    case ENOTBLK:
      return "the kernel mounts no index file that lies on " + file_system_name(directory);
    case EPERM:
    case EACCES:
      return std::string("not permitted; it takes root on the host (") + error.what() + ")";
    default:
      return error.what();
  }
}

void try_erofs(const std::string& source) {
  FsContext context("erofs");
  context.set_string("source", source);
  context.set_flag("ro");
  context.create();
  const Fd mount = context.mount(Access::read_only);
}

std::string try_erofs_file(const Scratch& scratch) {
  const PathOption source(scratch.write("index", smallest_erofs()));
  try_erofs(source.text());
  return "the kernel mounts an index file of this store";
}

std::string try_erofs_loop(const Scratch& scratch) {
  const LoopDevice loop(scratch.write("loop-index", smallest_erofs()));
  try_erofs(loop.path());
  return "the kernel mounts an index through a loop device";
}

// Deletes and makes anew through the overlay: that takes whiteouts and opaque marks in the upper.
void exercise_overlay(const Fd& mount) {
  const Fd directory = open_at(mount.get(), "d", O_RDONLY | O_DIRECTORY);
  if (::unlinkat(directory.get(), "file", 0) != 0 ||
      ::unlinkat(mount.get(), "d", AT_REMOVEDIR) != 0 || ::mkdirat(mount.get(), "d", 0755) != 0) {
    throw_errno("delete through overlayfs");
  }
  const Fd again = open_at(mount.get(), "d", O_RDONLY | O_DIRECTORY);
  if (!list_dir(again.get()).empty()) {
    throw Error(ErrorKind::unsupported, "a deleted file comes back: no opaque directories here");
  }
}

std::string try_overlay(const Scratch& scratch) {
  const std::string lower = scratch.make_dir("lower");
  scratch.make_dir("lower/d");
  scratch.write("lower/d/file", "");
  const std::string layers[][2] = {{"lowerdir", lower},
                                   {"upperdir", scratch.make_dir("upper")},
                                   {"workdir", scratch.make_dir("work")}};
  FsContext context("overlay");
  context.set_string("source", "overlay");
  context.set_string("redirect_dir", "nofollow");
  if (!in_initial_user_namespace()) context.set_flag("userxattr");
  std::vector<Fd> fds;
  for (const auto& [key, path] : layers) {
    fds.push_back(open(path, O_RDONLY | O_DIRECTORY));
    context.set_string(key, fd_path(fds.back().get()));
  }
  context.create();
  exercise_overlay(context.mount(Access::read_write));
  return "overlayfs takes an upper in this store";
}

template <class Try>
Answer answer(const char* what, const std::string& directory, Try attempt) {
  if (is_forbidden(what)) return {false, "forbidden by FASTLAYERS_FORBID"};
  try {
    const Scratch scratch(directory);
    return {true, attempt(scratch)};
  } catch (const Error& error) {
    return {false, reason(error, directory)};
  }
}

}  // namespace

bool is_forbidden(std::string_view what) {
  const char* list = std::getenv("FASTLAYERS_FORBID");
  std::string_view rest = list == nullptr ? "" : list;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma) == what) return true;
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  return false;
}

Probe probe(const std::string& directory) {
  Probe result;
  utsname name{};
  if (::uname(&name) == 0) result.kernel = name.release;
  result.erofs_file = answer("erofs-file", directory, try_erofs_file);
  result.erofs_loop = answer("erofs-loop", directory, try_erofs_loop);
  result.overlay = answer("overlay", directory, try_overlay);
  return result;
}

}  // namespace fastlayers::sys
