#include "erofs/image.hpp"

#include <cstring>
#include <string>

#include "digest/xxh3.hpp"
#include "erofs/format.hpp"

namespace fastlayers::erofs {

using table::Entry;
using table::Kind;

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << kBlockBits;
constexpr std::uint64_t kDevicesStart = kSuperOffset + sizeof(SuperBlock);
static_assert(kDevicesStart % sizeof(DeviceSlot) == 0);
// What is in memory of the file at a time.
constexpr std::size_t kInodesHeld = 16384;

std::uint64_t block_up(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// memcpy(3) must not be given a null pointer, which an empty view may hold.
void copy(std::string_view bytes, std::byte* out) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
}

// CRC-32C without the final inversion, as the kernel computes it; for one block only.
std::uint32_t crc32c(std::uint32_t crc, const std::byte* at, std::size_t count) {
  constexpr std::uint32_t kPolynomial = 0x82f63b78;
  for (; count != 0; --count, ++at) {
    crc ^= static_cast<std::uint32_t>(*at);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (kPolynomial & (0U - (crc & 1U)));
  }
  return crc;
}

std::uint16_t type_bits(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return 0040000;
    case Kind::symlink:
      return 0120000;
    case Kind::character:
    case Kind::whiteout:
      return 0020000;
    case Kind::block:
      return 0060000;
    case Kind::fifo:
      return 0010000;
    default:
      return 0100000;
  }
}

// The form in which Linux keeps device numbers on disk (new_encode_dev).
std::uint32_t encode_device(std::uint32_t major, std::uint32_t minor) {
  return (minor & 0xffU) | (major << 8) | ((minor & ~0xffU) << 12);
}

Inode attributes_of(const Entry& entry) {
  Inode inode{};
  inode.mode = type_bits(entry.kind);
  if (entry.kind == Kind::whiteout) return inode;  // a character device 0:0, nothing else
  inode.mode = static_cast<std::uint16_t>(inode.mode | (entry.mode & 07777));
  inode.uid = entry.uid;
  inode.gid = entry.gid;
  inode.mtime = entry.mtime_sec;
  inode.mtime_nsec = entry.mtime_nsec;
  if (entry.kind == Kind::character || entry.kind == Kind::block) {
    inode.data = encode_device(entry.dev_major, entry.dev_minor);
  }
  return inode;
}

}  // namespace

Image::Image(const table::Table& table, const DeviceMap& devices, Layout& layout, int fd)
    : devices_(devices), layout_(layout) {
  xattr_start_ = block_up(kDevicesStart + devices.devices().size() * sizeof(DeviceSlot));
  meta_start_ = xattr_start_ + block_up(layout.xattrs().shared().size());
  data_start_ = meta_start_ + block_up(layout.metadata_bytes());
  size_ = data_start_ + layout.data_blocks() * kBlockBytes;
  mapping_ = sys::Mapping::writable(fd, size_);

  write_devices(table);
  copy(layout.xattrs().shared(), start() + xattr_start_);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (layout.node(i).nlink != 0) write_inode(table, i);
    table.passed(i);
    if (i % kInodesHeld == kInodesHeld - 1) mapping_.release_pages();
  }
  write_superblock();
}

void Image::write_devices(const table::Table& table) {
  std::byte* at = start() + kDevicesStart;
  for (const Device& device : devices_.devices()) {
    DeviceSlot slot{};
    std::string tag = table.layers()[device.layer].hex();
    if (device.side) tag.replace(tag.size() - 5, 5, ":side");
    std::memcpy(slot.tag, tag.data(), sizeof(slot.tag));
    slot.blocks = static_cast<std::uint32_t>(block_up(device.bytes) / kBlockBytes);
    std::memcpy(at, &slot, sizeof(slot));
    at += sizeof(slot);
  }
}

void Image::write_inode(const table::Table& table, std::size_t index) {
  const Entry& entry = table[index];
  const Node& node = layout_.node(index);
  const std::string_view xattrs = layout_.xattrs().body(node.xattrs);
  const std::uint64_t header = sizeof(Inode) + xattrs.size();
  std::byte* at = start() + meta_start_ + node.nid * kSlotBytes;

  Inode inode = attributes_of(entry);
  inode.format = kExtended | (node.inline_tail ? kFlatInline : kFlatPlain);
  inode.size = node.size;
  inode.nlink = node.nlink;
  inode.number = static_cast<std::uint32_t>(index + 1);
  if (!xattrs.empty()) {
    inode.xattr_count = static_cast<std::uint16_t>((xattrs.size() - sizeof(XattrHeader)) / 4 + 1);
  }
  if (entry.kind == Kind::directory || entry.kind == Kind::symlink) {
    std::byte* blocks = start() + data_start_ + node.block * kBlockBytes;
    inode.data = static_cast<std::uint32_t>(data_start_ / kBlockBytes + node.block);
    if (entry.kind == Kind::directory) {
      write_directory(layout_.names(index), blocks, tail_of(node, at, header));
    } else {
      copy(table.link(entry), node.inline_tail ? at + header : blocks);
    }
  } else if (has_data(entry)) {
    inode.format = kExtended | kChunkBased;
    inode.data = write_chunks(entry, at, header);
  }
  std::memcpy(at, &inode, sizeof(inode));
  copy(xattrs, at + sizeof(inode));
}

// Where the last, partly used block of a directory goes.
std::byte* Image::tail_of(const Node& node, std::byte* inode, std::uint64_t header) {
  if (node.inline_tail) return inode + header;
  return start() + data_start_ + (node.block + (node.size - 1) / kBlockBytes) * kBlockBytes;
}

std::uint32_t Image::write_chunks(const Entry& entry, std::byte* inode, std::uint64_t header) {
  const unsigned bits = chunk_block_bits(entry.size);
  std::byte* at =
      inode + (header + sizeof(ChunkIndex) - 1) / sizeof(ChunkIndex) * sizeof(ChunkIndex);
  std::uint64_t block = entry.data_offset / kBlockBytes;
  for (std::uint64_t left = chunk_count(entry.size); left != 0; --left) {
    const ChunkIndex chunk{0, devices_.number(entry), static_cast<std::uint32_t>(block)};
    std::memcpy(at, &chunk, sizeof(chunk));
    at += sizeof(chunk);
    block += std::uint64_t{1} << bits;
  }
  return kChunkIndexes | bits;
}

digest::Hash128 Image::content_hash() const {
  digest::Xxh3 hash;
  mapping_.for_each_piece(0, [&](Bytes piece) { hash.update(piece); });
  return hash.finish();
}

void Image::write_superblock() {
  SuperBlock super{};
  super.magic = kMagic;
  super.feature_compat = kCompatChecksum | kCompatMtime;
  super.block_bits = kBlockBits;
  super.root_nid = static_cast<std::uint16_t>(layout_.node(0).nid);
  super.inodes = layout_.inodes();
  super.blocks = static_cast<std::uint32_t>(size_ / kBlockBytes);
  super.meta_block = static_cast<std::uint32_t>(meta_start_ / kBlockBytes);
  super.xattr_block = static_cast<std::uint32_t>(xattr_start_ / kBlockBytes);
  super.feature_incompat = kIncompatChunkedFile;
  if (!devices_.devices().empty()) {
    super.feature_incompat |= kIncompatDeviceTable;
    super.extra_devices = static_cast<std::uint16_t>(devices_.devices().size());
    super.device_slot_offset = kDevicesStart / sizeof(DeviceSlot);
  }
  // Overlayfs tells its lowers apart by this. Made of the contents, hence deterministic; version 8
  // of RFC 9562 leaves the rest of the bits to us.
  const digest::Hash128 hash = content_hash();
  std::memcpy(super.uuid, hash.data(), sizeof(super.uuid));
  super.uuid[6] = static_cast<std::uint8_t>((super.uuid[6] & 0x0f) | 0x80);
  super.uuid[8] = static_cast<std::uint8_t>((super.uuid[8] & 0x3f) | 0x80);

  std::byte* at = start() + kSuperOffset;
  std::memcpy(at, &super, sizeof(super));
  super.checksum = crc32c(0xffffffff, at, kBlockBytes);
  std::memcpy(at, &super, sizeof(super));
}

}  // namespace fastlayers::erofs
