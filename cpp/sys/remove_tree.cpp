// Removing trees that containers wrote: hostile names, modes and depths.
//
// Directories are moved up to the top before they are emptied, so a tree of any depth needs two
// descriptors and no long path. What others remove meanwhile is fine.
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::sys {

namespace {

// Removes everything but directories; returns their names.
std::vector<std::string> unlink_files(int dir_fd) {
  std::vector<std::string> directories;
  for (auto& name : list_dir(dir_fd)) {
    if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR) throw_errno("remove " + name);
    directories.push_back(std::move(name));
  }
  return directories;
}

// Opens a directory whose mode may forbid it (EDGE-CASES G8); none if it is gone.
std::optional<Fd> open_to_empty(int dir_fd, const std::string& name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd fd(::openat(dir_fd, name.c_str(), kFlags));
  if (!fd && errno == EACCES && ::fchmodat(dir_fd, name.c_str(), 0700, 0) == 0) {
    fd = Fd(::openat(dir_fd, name.c_str(), kFlags));
  }
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    throw_errno("remove " + name);
  }
  if (::geteuid() != 0) ::fchmod(fd.get(), 0700);  // else nothing in it could be removed
  return fd;
}

// Moves a directory into `top` under a name that nothing has.
void move_up(int dir_fd, const std::string& name, int top) {
  for (;;) {
    const std::string target = unique_name(".removed-");
    if (::renameat2(dir_fd, name.c_str(), top, target.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno == ENOENT) return;
    if (errno == EEXIST) continue;
    // A directory that moves gets a new "..": it must be writable itself.
    if (errno == EACCES && ::fchmodat(dir_fd, name.c_str(), 0700, 0) == 0 &&
        ::renameat2(dir_fd, name.c_str(), top, target.c_str(), RENAME_NOREPLACE) == 0) {
      return;
    }
    throw_errno("remove " + name);
  }
}

void remove_directory(int top, const std::string& name, dev_t device) {
  const auto directory = open_to_empty(top, name);
  if (!directory) return;
  if (stat_fd(directory->get()).st_dev != device) {
    throw Error(ErrorKind::conflict, "remove " + name + ": something is mounted on it");
  }
  for (const auto& child : unlink_files(directory->get())) {
    move_up(directory->get(), child, top);
  }
  if (::unlinkat(top, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    throw_errno("remove " + name);
  }
}

}  // namespace

void remove_tree(const std::string& path) {
  const auto top = open_to_empty(AT_FDCWD, path);
  if (!top) return;
  try {
    const dev_t device = stat_fd(top->get()).st_dev;
    for (auto names = unlink_files(top->get()); !names.empty(); names = unlink_files(top->get())) {
      for (const auto& name : names) remove_directory(top->get(), name, device);
    }
  } catch (Error& error) {
    error.add_context(path);
    throw;
  }
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) throw_errno("remove " + path);
}

}  // namespace fastlayers::sys
