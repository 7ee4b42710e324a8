// Image: writes the bytes of an index into a new file; knows where its areas are.
//
//   0      unused (boot sector)
//   1024   superblock, device table
//          shared xattrs      } each from a block boundary on
//          inodes (metadata)  }
//          directory blocks and long symlink targets
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/io.hpp"
#include "digest/xxh3.hpp"
#include "erofs/device.hpp"
#include "erofs/layout.hpp"
#include "sys/file.hpp"

namespace fastlayers::erofs {

class Image {
 public:
  Image(const table::Table& table, const DeviceMap& devices, Layout& layout, int fd);

  std::uint64_t size() const { return size_; }

 private:
  std::byte* start() { return mapping_.mutable_bytes().data(); }
  void write_devices(const table::Table& table);
  void write_inode(const table::Table& table, std::size_t index);
  std::uint32_t write_chunks(const table::Entry& entry, std::byte* inode, std::uint64_t header);
  std::byte* tail_of(const Node& node, std::byte* inode, std::uint64_t header);
  digest::Hash128 content_hash() const;
  void write_superblock();

  const DeviceMap& devices_;
  Layout& layout_;
  std::uint64_t xattr_start_ = 0;
  std::uint64_t meta_start_ = 0;
  std::uint64_t data_start_ = 0;
  std::uint64_t size_ = 0;
  sys::Mapping mapping_;
};

}  // namespace fastlayers::erofs
