#include "erofs/layout.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "erofs/device.hpp"
#include "erofs/format.hpp"
#include "erofs/index.hpp"
#include "tar/text.hpp"

namespace fastlayers::erofs {

using table::Entry;
using table::Kind;

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << kBlockBits;
constexpr std::uint64_t kMaxTarget = 4095;  // PATH_MAX without the NUL

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

[[noreturn]] void refuse(ErrorKind kind, const table::Table& table, const Entry& entry,
                         const char* what) {
  throw Error(kind, tar::printable(table.path(entry)) + ": " + what);
}

void check_name(const table::Table& table, const Entry& entry) {
  const std::string_view name = table.name(entry);
  if (name.size() > kMaxName) {
    refuse(ErrorKind::unsupported, table, entry, "its name is longer than 255 bytes");
  }
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    refuse(ErrorKind::invalid, table, entry, "its name cannot stand in a directory");
  }
}

void check_kind(const table::Table& table, const Entry& entry) {
  switch (entry.kind) {
    case Kind::symlink:
      if (entry.link_length == 0 || entry.link_length > kMaxTarget ||
          table.link(entry).find('\0') != std::string_view::npos) {
        refuse(ErrorKind::unsupported, table, entry,
               "its target is not a path of 1 to 4,095 bytes");
      }
      break;
    case Kind::character:
    case Kind::block:
      if (entry.dev_major > 0xfff || entry.dev_minor > 0xfffff) {
        refuse(ErrorKind::unsupported, table, entry,
               "its device numbers are larger than Linux allows (4095:1048575)");
      }
      break;
    case Kind::hardlink:
    case Kind::opaque:
      refuse(ErrorKind::invalid, table, entry, "it has not been resolved");
    default:
      break;
  }
}

std::uint8_t dirent_type(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return kTypeDirectory;
    case Kind::symlink:
      return kTypeSymlink;
    case Kind::character:
    case Kind::whiteout:
      return kTypeCharacter;
    case Kind::block:
      return kTypeBlock;
    case Kind::fifo:
      return kTypeFifo;
    default:
      return kTypeFile;
  }
}

}  // namespace

unsigned chunk_block_bits(std::uint64_t size) {
  const std::uint64_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
  const auto bits = static_cast<unsigned>(std::bit_width(std::max<std::uint64_t>(blocks, 1) - 1));
  return std::min(bits, kMaxChunkBlockBits);
}

std::uint64_t chunk_count(std::uint64_t size) {
  const unsigned bits = kBlockBits + chunk_block_bits(size);
  return size == 0 ? 0 : ((size - 1) >> bits) + 1;
}

Layout::Layout(const table::Table& table) : table_(table), nodes_(table.size()) {
  if (table.order() != table::Order::path || table.size() == 0 ||
      table[0].kind != Kind::directory || table[0].path_length != 0) {
    throw Error(ErrorKind::invalid, "an EROFS index needs a resolved table with a root");
  }
  link_inodes();
  collect_children();
  xattrs_.finish();
  place_all();
}

// One pass over the records: checks them, counts links, gathers xattrs.
void Layout::link_inodes() {
  group_first_.assign(std::size_t{table_.link_groups()} + 1, table::kNoParent);
  for (std::size_t i = 0; i < table_.size(); ++i) {
    table_.passed(i);
    const Entry& entry = table_[i];
    check_kind(table_, entry);
    if (i != 0) {
      if (entry.parent >= i || table_[entry.parent].kind != Kind::directory) {
        refuse(ErrorKind::invalid, table_, entry, "it has no parent directory");
      }
      check_name(table_, entry);
    }
    Node* node = &nodes_[i];
    if (entry.kind == Kind::directory) {
      node->nlink = 2;
      if (i != 0) ++nodes_[entry.parent].nlink;
    } else if (entry.link_group == 0) {
      node->nlink = 1;
    } else if (entry.link_group >= group_first_.size()) {
      refuse(ErrorKind::invalid, table_, entry, "its link group is out of bounds");
    } else {
      std::uint32_t& first = group_first_[entry.link_group];
      if (first != table::kNoParent) {
        ++nodes_[first].nlink;
        continue;
      }
      first = static_cast<std::uint32_t>(i);
      node->nlink = 1;
    }
    ++inodes_;
    node->xattrs = xattrs_.add(table_, entry);
  }
}

std::uint32_t Layout::inode_of(std::size_t index) const {
  const std::uint32_t group = table_[index].kind == Kind::directory ? 0 : table_[index].link_group;
  return group == 0 ? static_cast<std::uint32_t>(index) : group_first_[group];
}

// Counting sort by parent; the table's order makes each directory's children ascend.
void Layout::collect_children() {
  const std::size_t count = table_.size();
  child_start_.assign(count + 1, 0);
  for (std::size_t i = 1; i < count; ++i) ++child_start_[table_[i].parent + 1];
  for (std::size_t i = 0; i < count; ++i) child_start_[i + 1] += child_start_[i];
  children_.resize(count - 1);
  std::vector<std::uint32_t> next(child_start_.begin(), child_start_.end() - 1);
  for (std::size_t i = 1; i < count; ++i) {
    table_.passed(i);
    const std::uint32_t parent = table_[i].parent;
    const std::uint32_t at = next[parent]++;
    children_[at] = static_cast<std::uint32_t>(i);
    if (at != child_start_[parent] &&
        table_.name(table_[children_[at - 1]]) >= table_.name(table_[i])) {
      refuse(ErrorKind::invalid, table_, table_[i], "it is not in path order");
    }
  }
}

std::span<const DirectoryName> Layout::names(std::size_t index) {
  const std::uint32_t parent = index == 0 ? 0 : table_[index].parent;
  scratch_.start(nodes_[index].nid, nodes_[parent].nid);
  for (std::uint32_t at = child_start_[index]; at < child_start_[index + 1]; ++at) {
    const std::uint32_t child = children_[at];
    const std::uint32_t inode = inode_of(child);
    scratch_.add({table_.name(table_[child]), nodes_[inode].nid, dirent_type(table_[inode].kind)});
  }
  return scratch_.finish();
}

void Layout::place_all() {
  for (std::size_t i = 0; i < table_.size(); ++i) {
    table_.passed(i);
    if (nodes_[i].nlink != 0) place(i);
  }
  const std::uint64_t end_blocks = metadata_end_ / kBlockBytes + data_blocks_;
  // Far from any real image; keeps every block and inode number within 32 bits.
  if (end_blocks > std::numeric_limits<std::uint32_t>::max() / 16) {
    throw Error(ErrorKind::unsupported, "the table is too large for one EROFS index");
  }
}

void Layout::place(std::size_t index) {
  const Entry& entry = table_[index];
  Node& node = nodes_[index];
  const std::uint64_t xattr_bytes = xattrs_.body(node.xattrs).size();
  std::uint64_t bytes = sizeof(Inode) + xattr_bytes;
  std::uint64_t tail = 0;
  if (entry.kind == Kind::directory) {
    node.size = directory_bytes(names(index));
    tail = node.size % kBlockBytes;
  } else if (entry.kind == Kind::symlink) {
    node.size = entry.link_length;
    // A target stands in its inode's block as a whole, or in blocks of its own: kernels before
    // 6.12 look for it nowhere else.
    tail = bytes + node.size <= kBlockBytes ? node.size : 0;
  } else if (entry.kind == Kind::file) {
    node.size = entry.size;
    if (entry.size != 0) {
      bytes = round_up(bytes, sizeof(ChunkIndex)) + chunk_count(entry.size) * sizeof(ChunkIndex);
    }
  }
  node.inline_tail = tail != 0 && bytes + tail <= kBlockBytes;
  const std::uint64_t offset = node.inline_tail ? allocate_with_tail(bytes, tail) : allocate(bytes);
  node.nid = static_cast<std::uint32_t>(offset / kSlotBytes);
  if (entry.kind == Kind::directory || entry.kind == Kind::symlink) {
    node.block = static_cast<std::uint32_t>(data_blocks_);
    data_blocks_ +=
        node.inline_tail ? node.size / kBlockBytes : round_up(node.size, kBlockBytes) / kBlockBytes;
  }
}

// Room for an inode that may cross blocks: in the last gap if it fits there.
std::uint64_t Layout::allocate(std::uint64_t bytes) {
  const std::uint64_t room = round_up(bytes, kSlotBytes);
  std::uint64_t& end = room <= gap_end_ - gap_start_ ? gap_start_ : metadata_end_;
  const std::uint64_t offset = end;
  end += room;
  return offset;
}

// Room for an inode that must lie in one block together with its tail.
std::uint64_t Layout::allocate_with_tail(std::uint64_t bytes, std::uint64_t tail) {
  if (metadata_end_ % kBlockBytes + bytes + tail > kBlockBytes) {
    gap_start_ = metadata_end_;
    metadata_end_ = round_up(metadata_end_, kBlockBytes);
    gap_end_ = metadata_end_;
  }
  const std::uint64_t offset = metadata_end_;
  metadata_end_ += round_up(bytes + tail, kSlotBytes);
  return offset;
}

}  // namespace fastlayers::erofs
