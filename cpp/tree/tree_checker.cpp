#include "tree/tree_checker.hpp"

#include <unordered_map>
#include <vector>

#include "digest/xxh3.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/node.hpp"
#include "sys/user_namespace.hpp"
#include "tree/tree_writer.hpp"
#include "tree/walker.hpp"

namespace fastlayers::tree {

namespace {

using table::Entry;
using table::Kind;

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

unsigned file_type(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return S_IFDIR;
    case Kind::symlink:
      return S_IFLNK;
    case Kind::character:
    case Kind::whiteout:
      return S_IFCHR;
    case Kind::block:
      return S_IFBLK;
    case Kind::fifo:
      return S_IFIFO;
    default:
      return S_IFREG;
  }
}

class Checker : public Visitor {
 public:
  explicit Checker(const table::Table& table) : table_(table), room_(kReadBytes) {}

  bool visit(const Found& found) override {
    if (where_) return false;
    if (next_ == table_.size()) {
      where_ = found.path;
      return false;
    }
    const Entry& e = table_[next_++];
    const std::string_view path = table_.path(e);
    if (path != found.path) {
      where_ = std::string(table::compare_paths(path, found.path) < 0 ? path : found.path);
    } else if (!is_same(e, found)) {
      where_ = found.path;
    }
    return !where_;
  }

  std::optional<std::string> finish() {
    if (!where_ && next_ < table_.size()) where_ = std::string(table_.path(table_[next_]));
    return where_;
  }

 private:
  bool is_same(const Entry& e, const Found& found) {
    const struct stat& status = found.status;
    const bool stand_in = stands_in(e.kind) && status.st_size == 0;
    if ((status.st_mode & S_IFMT) != (stand_in ? S_IFREG : file_type(e.kind))) return false;
    if (e.kind == Kind::whiteout) return status.st_rdev == 0;
    const bool owned = sys::has_single_id() || (status.st_uid == e.uid && status.st_gid == e.gid);
    if (!owned || status.st_mtim.tv_sec != e.mtime_sec ||
        status.st_mtim.tv_nsec != static_cast<long>(e.mtime_nsec)) {
      return false;
    }
    if (e.kind != Kind::symlink && (status.st_mode & 07777) != e.mode) return false;
    if (!stand_in && (e.kind == Kind::character || e.kind == Kind::block)) {
      if (sys::device_major(status) != e.dev_major || sys::device_minor(status) != e.dev_minor) {
        return false;
      }
    }
    if (e.link_group != 0) {
      const auto [known, is_new] = inodes_.try_emplace(e.link_group, status.st_ino);
      if (known->second != status.st_ino) return false;
      if (!is_new) return true;  // the rest was looked at under its first name
    }
    return has_same_contents(e, found) && has_same_xattrs(e, found);
  }

  bool has_same_contents(const Entry& e, const Found& found) {
    if (e.kind == Kind::symlink) {
      return sys::read_link_at(found.directory_fd, found.name) == table_.link(e);
    }
    if (e.kind != Kind::file) return true;
    if (static_cast<std::uint64_t>(found.status.st_size) != e.size) return false;
    if (e.size == 0) return true;
    const sys::Fd file = sys::open_at(found.directory_fd, found.name, O_RDONLY);
    std::uint64_t done = 0;
    while (const std::size_t count = sys::read_at(file.get(), room_, done)) {
      hash_.update(Bytes(room_).first(count));
      done += count;
    }
    return hash_.finish() == e.xxh3;
  }

  bool has_same_xattrs(const Entry& e, const Found& found) const {
    const bool opaque = (e.flags & table::kOpaque) != 0;
    if (!opaque && e.xattr_length == 0) return true;
    sys::Fd opened;
    int fd = found.own_fd;
    if (fd < 0) {
      opened = sys::open_at(found.directory_fd, found.name, O_PATH);
      fd = opened.get();
    }
    if (opaque && sys::get_xattr(fd, sys::opaque_attribute()) != "y") return false;
    for (const auto& [name, value] : table_.xattrs(e)) {
      const auto got = sys::get_xattr(fd, std::string(name));
      if (got ? *got != value : name == "security.capability") return false;
    }
    return true;
  }

  const table::Table& table_;
  std::size_t next_ = 0;
  std::optional<std::string> where_;
  std::vector<std::byte> room_;
  digest::Xxh3 hash_;
  std::unordered_map<std::uint32_t, ino_t> inodes_;
};

}  // namespace

std::optional<std::string> difference(const table::Table& table, int root_fd) {
  Checker checker(table);
  walk(root_fd, checker);
  return checker.finish();
}

}  // namespace fastlayers::tree
