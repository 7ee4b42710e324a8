#include "diff/copied.hpp"

#include <algorithm>
#include <vector>

#include "sys/file.hpp"
#include "tree/tree_writer.hpp"

namespace fastlayers::diff {

namespace {

using table::Entry;
using table::Kind;

constexpr std::size_t kMaxMarker = 65536;

unsigned type_of(const Entry& e) {
  switch (e.kind) {
    case Kind::directory:
      return S_IFDIR;
    case Kind::symlink:
      return S_IFLNK;
    case Kind::fifo:
      return S_IFIFO;
    case Kind::character:
      return tree::stands_in(e.kind) ? S_IFREG : S_IFCHR;
    case Kind::block:
      return tree::stands_in(e.kind) ? S_IFREG : S_IFBLK;
    default:
      return S_IFREG;
  }
}

}  // namespace

Copied::Copied(const table::Table* below, const std::string& upper)
    : below_(below), marker_(sys::try_open(upper + "/../copied", O_RDONLY)) {
  if (!marker_) return;
  since_ = sys::stat_fd(marker_->get()).st_ctim;
  const std::string text = sys::read_file(upper + "/../copied", kMaxMarker);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    mount_points_.push_back(text.substr(at, end - at));
    at = end + 1;
  }
}

bool Copied::is_later(const timespec& time) const {
  return time.tv_sec != since_.tv_sec ? time.tv_sec > since_.tv_sec : time.tv_nsec > since_.tv_nsec;
}

// A directory that was renamed keeps what is in it as old as it was: it has to be the image's.
bool Copied::is_unchanged(const tree::Found& found, const Entry* lower) const {
  const struct stat& status = found.status;
  if (is_later(status.st_ctim)) return false;
  if (lower == nullptr) {
    return std::find(mount_points_.begin(), mount_points_.end(), found.path) != mount_points_.end();
  }
  if ((status.st_mode & S_IFMT) != type_of(*lower)) return false;
  if (!S_ISLNK(status.st_mode) && (status.st_mode & 07777) != lower->mode) return false;
  if (lower->kind == Kind::file && static_cast<std::uint64_t>(status.st_size) != lower->size) {
    return false;
  }
  // Of a directory the time also changes when a mount point is made in it.
  return is_directory(*lower) || (status.st_mtim.tv_sec == lower->mtime_sec &&
                                  status.st_mtim.tv_nsec == static_cast<long>(lower->mtime_nsec));
}

std::vector<std::string> Copied::missing(const tree::Found& found, const Entry& lower) const {
  std::vector<std::string> names;
  const auto directory = static_cast<std::size_t>(&lower - below_->entries().data());
  const std::size_t end = below_->subtree_end(directory);
  for (std::size_t i = directory + 1; i < end; i = below_->subtree_end(i)) {
    const std::string name(below_->name((*below_)[i]));
    if (!sys::try_stat_at(found.own_fd, name)) names.push_back(name);
  }
  return names;
}

}  // namespace fastlayers::diff
