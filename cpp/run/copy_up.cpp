#include "run/copy_up.hpp"

#include <utility>

#include "base/error.hpp"
#include "run/copy_tree.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

std::string mark_of(const std::string& volume) {
  const auto slash = volume.rfind('/') + 1;
  return volume.substr(0, slash) + "." + volume.substr(slash) + ".filling";
}

bool is_same_file(int fd, const std::string& path) {
  const auto named = sys::try_stat_at(AT_FDCWD, path);
  const auto held = sys::stat_fd(fd);
  return named && named->st_ino == held.st_ino && named->st_dev == held.st_dev;
}

void empty(const std::string& directory, int fd) {
  for (const auto& name : sys::list_dir(fd)) {
    const std::string path = directory + "/" + name;
    if (S_ISDIR(sys::stat_at(fd, name).st_mode)) {
      sys::remove_tree(path);
    } else {
      sys::unlink(path);
    }
  }
}

void fill(int from_fd, const std::string& to, sys::Fd root) {
  try {
    copy_tree(from_fd, std::move(root), CopyOf::volume);
  } catch (Error& error) {
    error.add_context("fill the new volume " + to);
    throw;
  }
}

// False: whoever had the mark has taken it away meanwhile, and it is to be looked again.
bool fill_marked(int from_fd, const std::string& to, const std::string& mark, bool is_kept) {
  const sys::FileLock lock(mark, sys::FileLock::Mode::exclusive);
  if (!is_same_file(lock.fd(), mark)) return false;
  sys::Fd root = sys::open(to, O_RDONLY | O_DIRECTORY);
  const bool was_broken_off = sys::file_size(lock.fd()) > 0;
  if (was_broken_off) empty(to, root.get());
  if (sys::list_dir(root.get()).empty()) {
    if (!was_broken_off) sys::write_all(lock.fd(), as_bytes("begun\n"));
    if (is_kept) {
      sys::sync_file(lock.fd());
      sys::sync_dir(mark.substr(0, mark.rfind('/')));
    }
    fill(from_fd, to, std::move(root));
    if (is_kept) sys::sync_file_system(lock.fd());
  }
  sys::unlink(mark);
  return true;
}

}  // namespace

void copy_up(int from_fd, const std::string& to, bool is_kept) {
  const std::string mark = mark_of(to);
  if (!sys::exists(mark)) {
    sys::Fd root = sys::open(to, O_RDONLY | O_DIRECTORY);
    if (!sys::list_dir(root.get()).empty()) return;
    if (sys::list_dir(from_fd).empty()) {  // its attributes alone: nothing that can be half-made
      fill(from_fd, to, std::move(root));
      return;
    }
  }
  while (!fill_marked(from_fd, to, mark, is_kept)) {
  }
}

}  // namespace fastlayers::run
