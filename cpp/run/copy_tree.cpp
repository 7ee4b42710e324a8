#include "run/copy_tree.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sys/file.hpp"
#include "sys/node.hpp"
#include "tree/walker.hpp"

namespace fastlayers::run {

namespace {

constexpr unsigned kModeBits = 07777;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

class Copier : public tree::Visitor {
 public:
  Copier(sys::Fd root, CopyOf what) : what_(what) { open_.push_back({"", std::move(root), {}}); }

  bool visit(const tree::Found& found) override {
    if (found.path.empty()) {
      copy_attributes(found.own_fd, open_.front().fd.get(), found.status);
      open_.front().status = found.status;
      return true;
    }
    while (open_.back().path != parent_of(found.path)) close_last();
    if (S_ISDIR(found.status.st_mode)) {
      enter(found);
    } else if (is_wanted(found.status) && !link_to_copy(found)) {
      copy_entry(found);
    }
    return true;
  }

  void finish() {
    while (!open_.empty()) close_last();
  }

 private:
  struct Directory {
    std::string path;
    sys::Fd fd;
    struct stat status;
  };

  bool is_wanted(const struct stat& status) const {
    return what_ == CopyOf::upper || !S_ISSOCK(status.st_mode);
  }

  int here() const { return open_.back().fd.get(); }

  // Times of a directory are set when nothing more is made in it.
  void close_last() {
    const Directory& last = open_.back();
    set_time(last.fd.get(), last.status);
    open_.pop_back();
  }

  static void set_time(int fd, const struct stat& status) {
    sys::set_mtime(fd, status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec));
  }

  void copy_xattrs(int from, const std::string& name, int to_directory) const {
    for (const auto& [key, value] : sys::list_xattrs(from)) {
      if (what_ == CopyOf::upper || !key.starts_with("trusted.overlay.")) {
        sys::set_xattr_at(to_directory, name, key, value);
      }
    }
  }

  void copy_attributes(int from, int to, const struct stat& status) const {
    sys::set_owner(to, status.st_uid, status.st_gid);
    copy_xattrs(from, ".", to);
    sys::set_mode(to, status.st_mode & kModeBits);
  }

  void enter(const tree::Found& found) {
    sys::make_directory_at(here(), found.name, 0700);
    sys::Fd copy = sys::open_at(here(), found.name, O_RDONLY | O_DIRECTORY);
    copy_attributes(found.own_fd, copy.get(), found.status);
    open_.push_back({found.path, std::move(copy), found.status});
  }

  bool link_to_copy(const tree::Found& found) {
    if (found.status.st_nlink < 2) return false;
    const std::pair key{found.status.st_dev, found.status.st_ino};
    const auto [first, is_new] = copies_.try_emplace(key, found.path);
    if (is_new) return false;
    sys::make_link_at(open_.front().fd.get(), first->second, here(), found.name);
    return true;
  }

  void copy_entry(const tree::Found& found) {
    const auto& status = found.status;
    if (S_ISLNK(status.st_mode)) {
      sys::make_symlink_at(here(), found.name, sys::read_link_at(found.directory_fd, found.name));
    } else if (S_ISREG(status.st_mode)) {
      copy_data(found);
    } else {
      sys::make_node_at(here(), found.name, status.st_mode & S_IFMT, sys::device_major(status),
                        sys::device_minor(status));
    }
    sys::set_owner_at(here(), found.name, status.st_uid, status.st_gid);
    const sys::Fd from = sys::open_at(found.directory_fd, found.name, O_PATH);
    if (!S_ISLNK(status.st_mode)) {
      copy_xattrs(from.get(), found.name, here());
      sys::set_mode_at(here(), found.name, status.st_mode & kModeBits);
    }
    sys::set_mtime_at(here(), found.name, status.st_mtim.tv_sec,
                      static_cast<std::uint32_t>(status.st_mtim.tv_nsec));
  }

  void copy_data(const tree::Found& found) {
    const sys::Fd from = sys::open_at(found.directory_fd, found.name, O_RDONLY | O_NONBLOCK);
    const sys::Fd to = sys::open_at(here(), found.name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    const auto size = sys::file_size(from.get());
    sys::for_each_data(from.get(), size, [&](std::uint64_t offset, std::uint64_t length) {
      sys::seek(to.get(), offset);
      sys::copy_range(from.get(), offset, to.get(), length);
    });
    sys::truncate(to.get(), size);
  }

  CopyOf what_;
  std::vector<Directory> open_;  // from the root to where the walk is
  std::map<std::pair<dev_t, ino_t>, std::string> copies_;
};

}  // namespace

void copy_tree(int from_fd, sys::Fd to, CopyOf what) {
  Copier copier(std::move(to), what);
  tree::walk(from_fd, copier);
  copier.finish();
}

}  // namespace fastlayers::run
