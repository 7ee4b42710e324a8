// Image: the bytes of an index, zeroed at first; knows where its areas are.
//
//   0      unused (boot sector)
//   1024   superblock, device table
//          shared xattrs      } each from a block boundary on
//          inodes (metadata)  }
//          directory blocks and long symlink targets
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/io.hpp"
#include "erofs/device.hpp"
#include "erofs/layout.hpp"

namespace fastlayers::erofs {

class Image {
 public:
  Image(const table::Table& table, const DeviceMap& devices, Layout& layout);

  Bytes bytes() const { return {buffer_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  void write_devices(const table::Table& table);
  void write_inode(const table::Table& table, std::size_t index);
  std::uint32_t write_chunks(const table::Entry& entry, std::byte* inode, std::uint64_t header);
  std::byte* tail_of(const Node& node, std::byte* inode, std::uint64_t header);
  void write_superblock();

  const DeviceMap& devices_;
  Layout& layout_;
  std::uint64_t xattr_start_ = 0;
  std::uint64_t meta_start_ = 0;
  std::uint64_t data_start_ = 0;
  std::uint64_t size_ = 0;
  std::unique_ptr<std::byte[], Free> buffer_;
};

}  // namespace fastlayers::erofs
