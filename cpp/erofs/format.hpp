// The on-disk structures of EROFS that we write, little-endian, as Linux reads them
// (fs/erofs; Documentation/filesystems/erofs.rst). What we make of them is in FORMAT.md.
#pragma once

#include <bit>
#include <cstdint>

namespace fastlayers::erofs {

static_assert(std::endian::native == std::endian::little, "structures are written as they lie");

inline constexpr std::uint32_t kMagic = 0xe0f5e1e2;
inline constexpr std::uint64_t kSuperOffset = 1024;

inline constexpr std::uint32_t kCompatChecksum = 0x1;
inline constexpr std::uint32_t kCompatMtime = 0x2;
inline constexpr std::uint32_t kIncompatChunkedFile = 0x4;
inline constexpr std::uint32_t kIncompatDeviceTable = 0x8;

struct SuperBlock {
  std::uint32_t magic;
  std::uint32_t checksum;  // crc32c of the rest of this block, this field being 0
  std::uint32_t feature_compat;
  std::uint8_t block_bits;
  std::uint8_t extension_slots;
  std::uint16_t root_nid;
  std::uint64_t inodes;
  std::uint64_t build_time;
  std::uint32_t build_time_nsec;
  std::uint32_t blocks;
  std::uint32_t meta_block;   // inode n lies at meta_block * block size + n * 32
  std::uint32_t xattr_block;  // shared xattr n lies at xattr_block * block size + n * 4
  std::uint8_t uuid[16];
  std::uint8_t volume_name[16];
  std::uint32_t feature_incompat;
  std::uint16_t compression;
  std::uint16_t extra_devices;
  std::uint16_t device_slot_offset;  // in units of a DeviceSlot, from the start of the image
  std::uint8_t directory_block_bits;
  std::uint8_t xattr_prefix_count;
  std::uint32_t xattr_prefix_start;
  std::uint64_t packed_nid;
  std::uint8_t reserved[24];
};
static_assert(sizeof(SuperBlock) == 128);

struct DeviceSlot {
  std::uint8_t tag[64];
  std::uint32_t blocks;
  std::uint32_t mapped_block;
  std::uint8_t reserved[56];
};
static_assert(sizeof(DeviceSlot) == 128);

inline constexpr std::uint64_t kSlotBytes = 32;  // inodes start at multiples of this

// Inode::format: bit 0 is the 64-byte form, bits 1 to 3 the data layout.
inline constexpr std::uint16_t kExtended = 1;
inline constexpr std::uint16_t kFlatPlain = 0 << 1;
inline constexpr std::uint16_t kFlatInline = 2 << 1;
inline constexpr std::uint16_t kChunkBased = 4 << 1;

struct Inode {
  std::uint16_t format;
  std::uint16_t xattr_count;  // 0, or 1 + (bytes of the xattr body - 12) / 4
  std::uint16_t mode;
  std::uint16_t reserved;
  std::uint64_t size;
  std::uint32_t data;  // first block, device number or chunk format
  std::uint32_t number;
  std::uint32_t uid;
  std::uint32_t gid;
  std::int64_t mtime;
  std::uint32_t mtime_nsec;
  std::uint32_t nlink;
  std::uint8_t reserved2[16];
};
static_assert(sizeof(Inode) == 64);

// Inode::data of a chunk-based file: chunk bits minus block bits, and this flag.
inline constexpr std::uint32_t kChunkIndexes = 0x20;
inline constexpr unsigned kMaxChunkBlockBits = 31;

struct ChunkIndex {
  std::uint16_t start_high;
  std::uint16_t device;  // 1-based; 0 is the index file itself
  std::uint32_t start;   // block within the device
};
static_assert(sizeof(ChunkIndex) == 8);
inline constexpr std::uint32_t kHole = 0xffffffff;  // as ChunkIndex::start

struct __attribute__((packed)) Dirent {
  std::uint64_t nid;
  std::uint16_t name_offset;  // within the block; of the first entry: also where entries end
  std::uint8_t type;
  std::uint8_t reserved;
};
static_assert(sizeof(Dirent) == 12);
inline constexpr std::size_t kMaxName = 255;

struct XattrHeader {
  std::uint32_t name_filter;
  std::uint8_t shared_count;
  std::uint8_t reserved[7];
};
static_assert(sizeof(XattrHeader) == 12);

struct XattrEntry {
  std::uint8_t name_length;  // without the prefix that `prefix` stands for
  std::uint8_t prefix;
  std::uint16_t value_length;
};
static_assert(sizeof(XattrEntry) == 4);

}  // namespace fastlayers::erofs
