// Layout: where everything of an index lies. Computed before a byte is written.
//
// The metadata area starts with the root's inode. Inodes follow in the table's order, each with
// its xattrs and, where it fits into the same block, its tail: the end of a directory, a symlink's
// target. Whole blocks of directories and long targets follow behind all inodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "erofs/directory.hpp"
#include "erofs/xattr.hpp"
#include "table/table.hpp"

namespace fastlayers::erofs {

// What the layout knows of the inode that record i of the table has or shares.
struct Node {
  std::uint64_t size = 0;   // a file's, a directory's, a target's
  std::uint32_t nid = 0;    // in units of 32 bytes from the metadata area
  std::uint32_t nlink = 0;  // 0: another name of an inode described elsewhere
  std::uint32_t xattrs = XattrTable::kNone;
  std::uint32_t block = 0;  // first data block, from the start of those
  bool inline_tail = false;
};

class Layout {
 public:
  // Throws Error(invalid) if the table is not a resolved one, Error(unsupported) for what EROFS
  // cannot hold; both name the entry. The table must outlive the layout.
  explicit Layout(const table::Table& table);

  const Node& node(std::size_t index) const { return nodes_[index]; }
  const XattrTable& xattrs() const { return xattrs_; }
  std::uint64_t inodes() const { return inodes_; }
  std::uint64_t metadata_bytes() const { return metadata_end_; }
  std::uint64_t data_blocks() const { return data_blocks_; }

  // The entries of directory `index`, "." and ".." among them; valid until the next call.
  std::span<const DirectoryName> names(std::size_t index);

 private:
  void link_inodes();
  void collect_children();
  void place_all();
  void place(std::size_t index);
  std::uint64_t allocate(std::uint64_t bytes);
  std::uint64_t allocate_with_tail(std::uint64_t bytes, std::uint64_t tail);
  std::uint32_t inode_of(std::size_t index) const;

  const table::Table& table_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> group_first_;  // by link group: the record that describes its inode
  std::vector<std::uint32_t> child_start_;  // by record: its first child in children_
  std::vector<std::uint32_t> children_;
  XattrTable xattrs_;
  DirectoryNames scratch_;
  std::uint64_t inodes_ = 0;
  std::uint64_t metadata_end_ = 0;
  std::uint64_t gap_start_ = 0;  // room left in front of an inode that had to keep its tail whole
  std::uint64_t gap_end_ = 0;
  std::uint64_t data_blocks_ = 0;
};

// Bytes of the chunk indexes of a file, and how many blocks (as a power of two) one covers.
unsigned chunk_block_bits(std::uint64_t size);
std::uint64_t chunk_count(std::uint64_t size);

}  // namespace fastlayers::erofs
