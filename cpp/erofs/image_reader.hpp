// ImageReader: reads an EROFS index back, for tests; written from the format, not the writer.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "erofs/format.hpp"

namespace fastlayers::erofs {

struct ReadInode {
  Inode raw{};
  std::uint64_t nid = 0;
  std::map<std::string, std::string> xattrs;
  std::vector<ChunkIndex> chunks;
  std::string data;  // of directories and symlinks
};

struct ReadName {
  std::string name;
  std::uint64_t nid;
  unsigned type;
};

class ImageReader {
 public:
  explicit ImageReader(std::string bytes) : bytes_(std::move(bytes)) {
    super_ = at<SuperBlock>(kSuperOffset);
    block_ = std::uint64_t{1} << super_.block_bits;
  }

  const SuperBlock& super() const { return super_; }
  DeviceSlot device(std::size_t index) const {
    return at<DeviceSlot>((super_.device_slot_offset + index) * sizeof(DeviceSlot));
  }

  ReadInode inode(std::uint64_t nid) const {
    ReadInode result;
    result.nid = nid;
    const std::uint64_t start = super_.meta_block * block_ + nid * 32;
    result.raw = at<Inode>(start);
    std::uint64_t body = start + sizeof(Inode);
    if (result.raw.xattr_count != 0) body = read_xattrs(result, body);
    const bool has_data =
        (result.raw.mode & 0170000) == 0040000 || (result.raw.mode & 0170000) == 0120000;
    const unsigned layout = result.raw.format >> 1;
    if (layout == 4) {
      read_chunks(result, (body + 7) / 8 * 8);
    } else if (has_data) {
      read_data(result, body, layout == 2);
    }
    return result;
  }

  std::vector<ReadName> list(const ReadInode& directory) const {
    std::vector<ReadName> names;
    for (std::size_t start = 0; start < directory.data.size(); start += block_) {
      list_block(std::string_view(directory.data).substr(start, block_), names);
    }
    return names;
  }

  ReadInode find(std::string_view path) const {
    ReadInode at_path = inode(super_.root_nid);
    while (!path.empty()) {
      const std::string name(path.substr(0, path.find('/')));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      bool found = false;
      for (const ReadName& entry : list(at_path)) {
        if (entry.name != name) continue;
        at_path = inode(entry.nid);
        found = true;
        break;
      }
      if (!found) throw std::runtime_error("no " + name);
    }
    return at_path;
  }

 private:
  template <class T>
  T at(std::uint64_t offset) const {
    T value;
    if (offset + sizeof(T) > bytes_.size()) throw std::runtime_error("outside the image");
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  std::uint64_t read_xattr(ReadInode& inode, std::uint64_t offset) const {
    static const std::map<int, std::string> prefixes = {{1, "user."},
                                                        {2, "system.posix_acl_access"},
                                                        {3, "system.posix_acl_default"},
                                                        {4, "trusted."},
                                                        {6, "security."}};
    const auto entry = at<XattrEntry>(offset);
    offset += sizeof(entry);
    const std::string name = prefixes.at(entry.prefix) + bytes_.substr(offset, entry.name_length);
    inode.xattrs[name] = bytes_.substr(offset + entry.name_length, entry.value_length);
    return (offset + entry.name_length + entry.value_length + 3) / 4 * 4;
  }

  std::uint64_t read_xattrs(ReadInode& inode, std::uint64_t offset) const {
    const std::uint64_t end = offset + sizeof(XattrHeader) + (inode.raw.xattr_count - 1U) * 4;
    const auto header = at<XattrHeader>(offset);
    offset += sizeof(header);
    for (unsigned i = 0; i < header.shared_count; ++i, offset += 4) {
      read_xattr(inode, super_.xattr_block * block_ + at<std::uint32_t>(offset) * 4ULL);
    }
    while (offset < end) offset = read_xattr(inode, offset);
    if (offset != end) throw std::runtime_error("xattrs do not end where they should");
    return end;
  }

  void read_chunks(ReadInode& inode, std::uint64_t offset) const {
    const unsigned bits = super_.block_bits + (inode.raw.data & 0x1f);
    const std::uint64_t count = ((inode.raw.size - 1) >> bits) + 1;
    for (std::uint64_t i = 0; i < count; ++i) {
      inode.chunks.push_back(at<ChunkIndex>(offset + i * sizeof(ChunkIndex)));
    }
  }

  void read_data(ReadInode& inode, std::uint64_t body, bool inline_tail) const {
    const std::uint64_t whole = inline_tail ? inode.raw.size / block_ * block_ : inode.raw.size;
    inode.data = bytes_.substr(inode.raw.data * block_, whole);
    if (!inline_tail) return;
    const std::uint64_t tail = inode.raw.size - whole;
    if (body % block_ + tail > block_) throw std::runtime_error("a tail crosses a block");
    inode.data += bytes_.substr(body, tail);
  }

  static void list_block(std::string_view block, std::vector<ReadName>& names) {
    Dirent dirent;
    std::memcpy(&dirent, block.data(), sizeof(dirent));
    const std::size_t count = dirent.name_offset / sizeof(Dirent);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&dirent, block.data() + i * sizeof(Dirent), sizeof(dirent));
      std::size_t end = block.size();
      if (i + 1 < count) {
        Dirent next;
        std::memcpy(&next, block.data() + (i + 1) * sizeof(Dirent), sizeof(next));
        end = next.name_offset;
      }
      std::string_view name = block.substr(dirent.name_offset, end - dirent.name_offset);
      name = name.substr(0, name.find('\0'));
      names.push_back({std::string(name), dirent.nid, dirent.type});
    }
  }

  std::string bytes_;
  SuperBlock super_{};
  std::uint64_t block_ = 0;
};

}  // namespace fastlayers::erofs
