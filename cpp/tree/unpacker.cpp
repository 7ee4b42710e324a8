#include "tree/unpacker.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_point.hpp"
#include "sys/node.hpp"
#include "tar/text.hpp"

namespace fastlayers::tree {

namespace {

constexpr unsigned kParentMode = 0755;
// Zeros of this length are left out, and become a hole.
constexpr std::size_t kHoleBytes = 4096;

bool is_hole(Bytes bytes) {
  return bytes.size() >= kHoleBytes && bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// A name that nobody else uses, for what is put in the place of something.
class Interim {
 public:
  Interim(int dir_fd, const std::string& name, bool replaces)
      : dir_fd_(dir_fd), name_(name), made_(replaces ? sys::unique_name(".fastlayers-") : name) {}
  Interim(const Interim&) = delete;
  Interim& operator=(const Interim&) = delete;
  ~Interim() {
    if (is_made_) sys::try_unlink_at(dir_fd_, made_);
  }

  const std::string& name() const { return made_; }
  void made() { is_made_ = true; }
  void take_place() {
    if (made_ != name_) sys::rename_at(dir_fd_, made_, name_);
    is_made_ = false;
  }

 private:
  int dir_fd_;
  const std::string& name_;
  std::string made_;
  bool is_made_ = false;
};

unsigned node_type(char type) {
  if (type == tar::kChar) return S_IFCHR;
  return type == tar::kBlock ? S_IFBLK : S_IFIFO;
}

void check_xattr(bool set, const std::string& key) {
  if (!set && key == "security.capability") {
    throw Error(ErrorKind::unsupported, "the file system does not keep security.capability");
  }
}

}  // namespace

Unpacker::Unpacker(int directory_fd, UnpackOptions options)
    : directory_fd_(directory_fd), options_(std::move(options)) {}

Unpacker::~Unpacker() = default;

std::string Unpacker::shown(const Path& path) const {
  std::string text = options_.path == "/" ? "" : options_.path;
  for (const auto& name : path) text += "/" + name;
  return tar::printable(text.empty() ? "/" : text);
}

Unpacker::Path Unpacker::split(const std::string& path) const {
  Path parts;
  for (std::size_t start = 0; start <= path.size();) {
    const auto end = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, end - start);
    start = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (parts.empty()) {
      throw Error(ErrorKind::traversal, tar::printable(path) + " is outside of " + shown({}));
    } else {
      parts.pop_back();
    }
  }
  return parts;
}

sys::Fd Unpacker::enter_next(const Path& path, std::size_t depth, bool create) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const int here = open_.empty() ? directory_fd_ : open_.back().fd.get();
  const std::string& name = path[depth];
  auto next = sys::try_open_in_root(here, name, kFlags);
  if (!next && errno == ENOENT && create) {
    sys::make_directory_at(here, name, kParentMode);
    next = sys::try_open_in_root(here, name, kFlags);
  }
  if (!next && (errno == ELOOP || errno == ENOTDIR) && options_.root_fd >= 0) {
    std::string inside = options_.path;
    for (std::size_t i = 0; i <= depth; ++i) inside += "/" + path[i];
    next = sys::try_open_in_root(options_.root_fd, inside, O_RDONLY | O_DIRECTORY);
  }
  if (next) return std::move(*next);
  const int error = errno;
  throw_errno(
      "open " + shown({path.begin(), path.begin() + static_cast<std::ptrdiff_t>(depth) + 1}),
      error);
}

int Unpacker::enter(const Path& path, std::size_t length, bool create) {
  std::size_t common = 0;
  while (common < length && common < open_.size() && open_[common].name == path[common]) ++common;
  open_.resize(common);
  for (; common < length; ++common) {
    sys::Fd next = enter_next(path, common, create);
    open_.push_back({path[common], std::move(next)});
  }
  return open_.empty() ? directory_fd_ : open_.back().fd.get();
}

template <class Work>
void Unpacker::in_context(const Path& path, Work work) const {
  try {
    work();
  } catch (Error& error) {
    if (error.kind() == ErrorKind::system) error.add_context(shown(path));
    throw;
  }
}

void Unpacker::member(tar::Header&& header) {
  const Path path = split(header.path);
  // The directory itself is the user's: that is how `cp box:/etc/. here` goes into it.
  if (path.empty()) {
    if (header.type == tar::kDirectory) return;
    throw Error(ErrorKind::invalid,
                "cannot overwrite directory " + shown({}) + " with non-directory");
  }
  in_context(path, [&] { make(path, header); });
  if (file_ == nullptr) return;
  header_ = std::move(header);
  path_ = path;
}

void Unpacker::make(const Path& path, const tar::Header& header) {
  const int parent = enter(path, path.size() - 1, true);
  const std::string& name = path.back();
  const auto there = sys::try_stat_at(parent, name);
  const bool is_directory = there && S_ISDIR(there->st_mode);
  const bool makes_directory = header.type == tar::kDirectory;
  if (there && is_directory != makes_directory) {
    throw Error(ErrorKind::invalid, std::string("cannot overwrite ") +
                                        (is_directory ? "directory" : "non-directory") + " " +
                                        shown(path) + " with " +
                                        (makes_directory ? "directory" : "non-directory"));
  }
  // From outside of a container's mounts the kernel would let it go, and take the mount away.
  if (there && !is_directory && sys::is_mount_point(parent, name)) {
    throw_errno("something is mounted there", EBUSY);
  }
  if (makes_directory) {
    make_directory(path, header, is_directory);
  } else if (header.type == tar::kHardlink) {
    make_hard_link(parent, name, header);
  } else if (header.type == tar::kFile) {
    file_ = std::make_unique<sys::NewFile>(parent);
    position_ = extent_done_ = 0;
    extent_ = 0;
  } else {
    make_node(parent, name, header);
  }
}

void Unpacker::make_directory(const Path& path, const tar::Header& header, bool exists) {
  if (!exists) sys::make_directory_at(enter(path, path.size() - 1, true), path.back(), 0700);
  const int fd = enter(path, path.size(), false);
  if (options_.keep_owners) sys::set_owner(fd, header.uid, header.gid);
  for (const auto& [key, value] : header.xattrs) check_xattr(sys::set_xattr(fd, key, value), key);
  sys::set_mode(fd, header.mode);
  dated_.push_back({path, header.mtime_sec, header.mtime_nsec});
}

void Unpacker::make_hard_link(int parent, const std::string& name, const tar::Header& header) {
  const Path target = split(header.link_target);
  if (target.empty()) throw Error(ErrorKind::invalid, "a hard link to a directory");
  // enter() may close what leads to the link: its parent is kept apart.
  const sys::Fd here = sys::open_at(parent, ".", O_PATH | O_DIRECTORY);
  const int from = enter(target, target.size() - 1, false);
  const auto linked = sys::try_stat_at(from, target.back());
  const auto there = sys::try_stat_at(here.get(), name);
  // Of two names of one file rename(2) would leave both.
  if (linked && there && linked->st_ino == there->st_ino && linked->st_dev == there->st_dev) return;
  Interim interim(here.get(), name, there.has_value());
  sys::make_link_at(from, target.back(), here.get(), interim.name());
  interim.made();
  interim.take_place();
}

void Unpacker::make_node(int parent, const std::string& name, const tar::Header& header) {
  Interim interim(parent, name, sys::try_stat_at(parent, name).has_value());
  const std::string& made = interim.name();
  if (header.type == tar::kSymlink) {
    sys::make_symlink_at(parent, made, header.link_target);
  } else {
    sys::make_node_at(parent, made, node_type(header.type), header.dev_major, header.dev_minor);
  }
  interim.made();
  if (options_.keep_owners) sys::set_owner_at(parent, made, header.uid, header.gid);
  for (const auto& [key, value] : header.xattrs) {
    check_xattr(sys::set_xattr_at(parent, made, key, value), key);
  }
  if (header.type != tar::kSymlink) sys::set_mode_at(parent, made, header.mode);
  sys::set_mtime_at(parent, made, header.mtime_sec, header.mtime_nsec);
  interim.take_place();
}

void Unpacker::body(Bytes bytes) {
  if (file_ == nullptr) return;  // of a member that should have none
  if (!header_.sparse) {
    write(bytes);
    return;
  }
  while (!bytes.empty()) {
    while (extent_ < header_.extents.size() && extent_done_ == header_.extents[extent_].length) {
      ++extent_;
      extent_done_ = 0;
    }
    if (extent_ == header_.extents.size()) {
      throw Error(ErrorKind::corrupt, "a sparse file has more data than its map");
    }
    const tar::Extent& extent = header_.extents[extent_];
    position_ = extent.logical_offset + extent_done_;
    const Bytes piece =
        bytes.first(std::min<std::uint64_t>(bytes.size(), extent.length - extent_done_));
    write(piece);
    extent_done_ += piece.size();
    bytes = bytes.subspan(piece.size());
  }
}

void Unpacker::write(Bytes bytes) {
  in_context(path_, [&] {
    if (!is_hole(bytes)) sys::write_all_at(file_->fd(), bytes, position_);
  });
  position_ += bytes.size();
}

void Unpacker::end_member() {
  if (file_ == nullptr) return;
  in_context(path_, [&] { finish_file(); });
}

void Unpacker::finish_file() {
  const std::unique_ptr<sys::NewFile> file = std::move(file_);
  const int fd = file->fd();
  sys::truncate(fd, header_.size);
  if (options_.keep_owners) sys::set_owner(fd, header_.uid, header_.gid);
  for (const auto& [key, value] : header_.xattrs) check_xattr(sys::set_xattr(fd, key, value), key);
  sys::set_mode(fd, header_.mode);
  sys::set_mtime(fd, header_.mtime_sec, header_.mtime_nsec);
  file->take_name(path_.back());
}

void Unpacker::finish() {
  for (auto dated = dated_.rbegin(); dated != dated_.rend(); ++dated) {
    sys::set_mtime(enter(dated->path, dated->path.size(), false), dated->sec, dated->nsec);
  }
  open_.clear();
}

}  // namespace fastlayers::tree
