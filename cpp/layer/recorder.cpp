#include "layer/recorder.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "sys/node.hpp"
#include "tar/block.hpp"
#include "tar/text.hpp"

namespace fastlayers::layer {

namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::uint64_t kSideAlignment = 4096;
// Expanded sparse members of one layer: holes cost no disk, but they are hashed.
constexpr std::uint64_t kMaxSideBytes = std::uint64_t{256} << 30;

// Control data of union file systems is data to drop, never an instruction (EDGE-CASES A23, J5).
bool is_control_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") ||
         name.starts_with("user.fuseoverlayfs.");
}

table::Kind kind_of(char type) {
  switch (type) {
    case tar::kHardlink:
      return table::Kind::hardlink;
    case tar::kSymlink:
      return table::Kind::symlink;
    case tar::kChar:
      return table::Kind::character;
    case tar::kBlock:
      return table::Kind::block;
    case tar::kDirectory:
      return table::Kind::directory;
    case tar::kFifo:
      return table::Kind::fifo;
    default:
      return table::Kind::file;
  }
}

// The root must be a directory: anything else would replace the extraction root (E5).
void check_root(const tar::Header& header) {
  if (header.path.empty()) throw Error(ErrorKind::corrupt, "it has an empty name");
  if (header.type == tar::kDirectory) return;
  const bool escapes = header.type == tar::kSymlink || header.type == tar::kHardlink;
  throw Error(escapes ? ErrorKind::traversal : ErrorKind::corrupt,
              "the root of a layer can only be a directory");
}

void check_name_length(std::size_t bytes, std::size_t limit) {
  if (bytes <= limit) return;
  throw Error(ErrorKind::unsupported, "a component of its path has " + std::to_string(bytes) +
                                          " bytes; file systems allow 255");
}

}  // namespace

std::string normalise(std::string_view path) {
  if (path.size() > kMaxPathBytes) {
    throw Error(ErrorKind::limit,
                "its path is longer than " + std::to_string(kMaxPathBytes) + " bytes");
  }
  std::string result;
  result.reserve(path.size());
  std::size_t start = 0;
  while (start < path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    start = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (result.empty()) throw Error(ErrorKind::traversal, "its path leaves the root");
      const auto slash = result.rfind('/');
      result.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    // The marker of the deletion of a name is longer than the name.
    const bool marker = part.starts_with(kWhiteoutPrefix);
    check_name_length(part.size(), table::kMaxNameBytes + (marker ? kWhiteoutPrefix.size() : 0));
    if (!result.empty()) result.push_back('/');
    result.append(part);
  }
  return result;
}

void Recorder::member(tar::Header&& header) {
  try {
    add(header);
  } catch (Error& error) {
    error.add_context("entry " + tar::printable(std::string_view(header.path).substr(0, 512)));
    throw;
  }
}

void Recorder::add(tar::Header& header) {
  if (builder_.size() == max_entries_) {
    throw Error(ErrorKind::limit,
                "the layer has more than " + std::to_string(max_entries_) + " entries");
  }
  const std::string path = normalise(header.path);
  if (path.empty()) check_root(header);
  if (add_marker(header, path)) return;
  table::Entry entry;
  entry.kind = kind_of(header.type);
  entry.mode = static_cast<std::uint16_t>(header.mode & 07777);
  entry.uid = header.uid;
  entry.gid = header.gid;
  entry.mtime_sec = header.mtime_sec;
  entry.mtime_nsec = header.mtime_nsec;
  std::string link;
  if (entry.kind == table::Kind::hardlink) {
    link = normalise(header.link_target);
    if (link.empty()) throw Error(ErrorKind::corrupt, "hard link to the root");
    if (header.link_target.starts_with('/')) link = '/' + link;
  } else if (entry.kind == table::Kind::symlink) {
    link = header.link_target;
    if (link.empty() || link.size() > 4095) {
      throw Error(ErrorKind::corrupt,
                  "symbolic link with a target of " + std::to_string(link.size()) + " bytes");
    }
    entry.size = link.size();
  } else if (entry.kind == table::Kind::character || entry.kind == table::Kind::block) {
    entry.dev_major = header.dev_major;
    entry.dev_minor = header.dev_minor;
  } else if (entry.kind == table::Kind::file) {
    entry.size = header.size;
    entry.data_offset = header.data_offset;
    content_bytes_ += header.size;
  }
  if (header.xattrs.empty()) {
    file_ = &builder_.add(entry, path, link, {});
  } else {
    std::erase_if(header.xattrs, [](const auto& x) { return is_control_xattr(x.first); });
    file_ = &builder_.add(entry, path, link, table::encode_xattrs(header.xattrs));
  }
  if (entry.kind != table::Kind::file) file_ = nullptr;
  if (file_ != nullptr && header.sparse) begin_sparse(header);
}

// Whiteouts and opaque marks; what merely looks like one is refused.
bool Recorder::add_marker(const tar::Header& header, const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? std::string() : path.substr(0, slash);
  const std::string_view name = std::string_view(path).substr(slash + 1);
  const bool aufs_root = path.starts_with(kAufsPrefix) && !path.starts_with(kOpaqueMarker);
  if (!aufs_root &&
      (directory.starts_with(kWhiteoutPrefix) || directory.find("/.wh.") != std::string::npos)) {
    throw Error(ErrorKind::corrupt, "a name beginning with .wh. cannot be a directory");
  }
  if (!name.starts_with(kWhiteoutPrefix)) return false;
  table::Entry entry;
  if (name == kOpaqueMarker) {
    entry.kind = table::Kind::opaque;
    builder_.add(entry, directory, {}, {});
    file_ = nullptr;
    return true;
  }
  const bool aufs_metadata =
      path == ".wh..wh.plnk" || path == ".wh..wh.orph" || path == ".wh..wh.aufs";
  if (aufs_metadata || (aufs_root && slash != std::string::npos)) {
    check_name_length(name.size(), table::kMaxNameBytes);  // it is a name, and no marker
    return false;
  }
  const std::string_view victim = name.substr(kWhiteoutPrefix.size());
  if (victim.empty() || victim == "." || victim == "..") {
    throw Error(ErrorKind::corrupt, "a whiteout of no name");
  }
  if (header.type == tar::kDirectory) {
    throw Error(ErrorKind::corrupt, "a whiteout cannot be a directory");
  }
  entry.kind = table::Kind::whiteout;
  builder_.add(entry,
               directory.empty() ? std::string(victim) : directory + "/" + std::string(victim), {},
               {});
  file_ = nullptr;
  return true;
}

void Recorder::body(Bytes bytes) {
  if (file_ == nullptr) return;
  if (sparse_) {
    sparse_body(bytes);
  } else if (bytes.size() >= kTimedBytes) {
    const ProfileTimer timer(ProfilePart::hash_files, bytes.size());
    hash_.update(bytes);
  } else {
    hash_.update(bytes);
  }
}

void Recorder::end_member() {
  if (file_ == nullptr) return;
  if (sparse_) end_sparse();
  if (file_->size > 0) {
    file_->xxh3 = hash_.finish();
    if ((file_->flags & table::kSide) == 0) last_file_ = builder_.size() - 1;
  }
  file_ = nullptr;
}

// Room for an expanded file in the side file; returns where it begins.
std::uint64_t Recorder::reserve_side(std::uint64_t bytes) {
  if (bytes > kMaxSideBytes || side_size_ + bytes > kMaxSideBytes) {
    throw Error(ErrorKind::limit, "the sparse files of the layer expand to more than 256 GiB");
  }
  if (!side_.fd) side_ = sys::create_temporary(scratch_);
  const std::uint64_t offset = (side_size_ + kSideAlignment - 1) / kSideAlignment * kSideAlignment;
  side_size_ = offset + bytes;
  return offset;
}

// Whole blocks, so that a block device made of the file holds all of it.
void Recorder::pad_side() {
  sys::truncate(side_.fd.get(),
                (side_size_ + kSideAlignment - 1) / kSideAlignment * kSideAlignment);
}

void Recorder::begin_sparse(tar::Header& header) {
  file_->data_offset = reserve_side(file_->size);
  file_->flags |= table::kSide;
  extents_ = std::move(header.extents);
  extent_ = 0;
  extent_done_ = 0;
  hashed_ = 0;
  sparse_ = true;
}

void Recorder::rescue_tail(int tar_fd, std::uint64_t stream_bytes) {
  if (!last_file_ || stream_bytes % tar::kBlockBytes == 0) return;
  table::Entry e = builder_.entry(*last_file_);
  if (e.data_offset + e.size <= stream_bytes / tar::kBlockBytes * tar::kBlockBytes) return;
  const std::uint64_t offset = reserve_side(e.size);
  sys::seek(side_.fd.get(), offset);
  sys::copy_range(tar_fd, e.data_offset, side_.fd.get(), e.size);
  e.data_offset = offset;
  e.flags |= table::kSide;
  builder_.replace(*last_file_, e);
  pad_side();
}

void Recorder::sparse_body(Bytes bytes) {
  while (!bytes.empty()) {
    while (extent_ < extents_.size() && extent_done_ == extents_[extent_].length) {
      ++extent_;
      extent_done_ = 0;
    }
    if (extent_ == extents_.size()) {
      throw Error(ErrorKind::corrupt, "a sparse file has more data than its map");
    }
    const tar::Extent& extent = extents_[extent_];
    const std::uint64_t at = extent.logical_offset + extent_done_;
    const Bytes piece =
        bytes.first(std::min<std::uint64_t>(bytes.size(), extent.length - extent_done_));
    hash_.update_zeros(at - hashed_);
    hash_.update(piece);
    hashed_ = at + piece.size();
    sys::write_all_at(side_.fd.get(), piece, file_->data_offset + at);
    extent_done_ += piece.size();
    bytes = bytes.subspan(piece.size());
  }
}

void Recorder::end_sparse() {
  hash_.update_zeros(file_->size - hashed_);
  pad_side();
  sparse_ = false;
}

table::Table Recorder::finish(const digest::DiffId& diff_id, std::uint64_t stream_bytes) {
  builder_.add_layer(diff_id);
  builder_.set_totals(stream_bytes, content_bytes_);
  return std::move(builder_).finish();
}

}  // namespace fastlayers::layer
