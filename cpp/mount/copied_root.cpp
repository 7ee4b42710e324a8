#include "mount/copied_root.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include "base/error.hpp"
#include "layer/mount_points.hpp"
#include "sys/file.hpp"
#include "sys/node.hpp"

namespace fastlayers::mount {

namespace {

// Returns what was made, a NUL behind each.
std::string make_mount_points(const table::Table& image, int root_fd) {
  std::string made;
  const auto missing = layer::missing_mount_points(image);
  if (!missing) return made;
  for (std::size_t i = 1; i < missing->size(); ++i) {
    const table::Entry& e = (*missing)[i];
    const std::string path(missing->path(e));
    if (sys::try_open_in_root(root_fd, path, O_PATH | O_NOFOLLOW)) continue;
    const auto slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "/" : path.substr(0, slash);
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const sys::Fd directory = sys::open_in_root(root_fd, parent, O_RDONLY | O_DIRECTORY);
    const timespec time = sys::stat_fd(directory.get()).st_mtim;
    if (is_directory(e)) {
      sys::make_directory_at(directory.get(), name, e.mode);
    } else {
      sys::open_at(directory.get(), name, O_WRONLY | O_CREAT | O_EXCL, e.mode);
    }
    // The directory is as it was in the image.
    sys::set_mtime(directory.get(), time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec));
    made += path;
    made += '\0';
  }
  return made;
}

timespec change_time(const std::string& path) {
  return sys::stat_fd(sys::open(path, O_RDONLY).get()).st_ctim;
}

bool is_later(const timespec& time, const timespec& than) {
  return time.tv_sec != than.tv_sec ? time.tv_sec > than.tv_sec : time.tv_nsec > than.tv_nsec;
}

// The kernel's clock for files takes steps of milliseconds.
void wait_for_next_tick(const std::string& marker, const std::string& directory) {
  const timespec before = change_time(marker);
  const std::string probe = directory + "/copied.tick";
  do {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    sys::unlink(probe);
    sys::write_file_atomic(probe, {});
  } while (!is_later(change_time(probe), before));
  sys::unlink(probe);
}

}  // namespace

void copy_root(const layer::ChainStore& chains, const layer::Stack& stack,
               const std::string& directory) {
  const std::string marker = directory + "/copied";
  if (sys::exists(marker)) return;
  const std::string upper = directory + "/upper";
  const std::string begun = directory + "/copying";
  if (!sys::exists(begun)) {
    if (sys::is_directory(upper) &&
        !sys::list_dir(sys::open(upper, O_RDONLY | O_DIRECTORY).get()).empty()) {
      throw Error(ErrorKind::conflict,
                  "the container has changes on top of its image, which the copy backend cannot "
                  "use: start it with --backend overlay or erofs");
    }
    sys::write_file_atomic(begun, {});
  }
  sys::remove_tree(upper);  // what was left by one that was killed
  const table::Table merged = chains.merged(stack);
  chains.write_directory(merged, upper, false);
  const std::string made =
      make_mount_points(merged, sys::open(upper, O_RDONLY | O_DIRECTORY).get());
  sys::write_file_atomic(marker, as_bytes(made));
  wait_for_next_tick(marker, directory);
  sys::unlink(begun);
}

void refuse_copied_root(const std::string& directory) {
  if (!sys::exists(directory + "/copied")) return;
  throw Error(ErrorKind::conflict,
              "the container has a copy of its image, which no other backend can use: start it "
              "with --backend copy");
}

}  // namespace fastlayers::mount
