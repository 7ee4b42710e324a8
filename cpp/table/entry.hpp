// Entry: the fixed-size record of the file table, as it lies on disk (little-endian, 120
// bytes). numpy maps an array of these without copying. See FORMAT.md in this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fastlayers::table {

enum class Kind : std::uint8_t {
  file = 0,
  directory = 1,
  symlink = 2,
  character = 3,
  block = 4,
  fifo = 5,
  whiteout = 6,  // the name is deleted from what lies below
  hardlink = 7,  // only in layer tables: `link` is the target's path, not yet resolved
  opaque = 8,    // only in layer tables: an opaque marker for the directory `path`
};

// Bits of Entry::flags.
inline constexpr std::uint8_t kOpaque = 1;   // a directory that hides everything below it
inline constexpr std::uint8_t kImplied = 2;  // a directory that no layer has an entry for
inline constexpr std::uint8_t kSide = 4;     // the data lies in the layer's side file, not its tar

inline constexpr std::size_t kMaxNameBytes = 255;  // NAME_MAX

inline constexpr std::uint32_t kNoParent = 0xffffffff;

struct Entry {
  std::uint64_t path_offset = 0;   // into the heap; no leading or trailing '/'; the root is ""
  std::uint64_t link_offset = 0;   // into the heap: symlink target or hard-link path
  std::uint64_t xattr_offset = 0;  // into the heap; see FORMAT.md
  std::uint64_t data_offset = 0;   // bytes into the layer's tar (or its side file)
  std::uint64_t size = 0;          // bytes of a file; of a symlink the target's length
  std::int64_t mtime_sec = 0;
  std::array<std::uint8_t, 16> xxh3{};  // of a file's contents, canonical byte order
  std::uint32_t mtime_nsec = 0;
  std::uint32_t path_length = 0;
  std::uint32_t name_offset = 0;  // of the last component within the path
  std::uint32_t link_length = 0;
  std::uint32_t xattr_length = 0;
  std::uint32_t parent = kNoParent;  // index of the directory's record (path order only)
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t dev_major = 0;
  std::uint32_t dev_minor = 0;
  std::uint32_t link_group = 0;  // names of one inode share a number; 0: a single name
  std::uint32_t layer = 0;       // index into the table's layers: who wrote this entry
  std::uint16_t mode = 0;        // permission bits, 07777
  Kind kind = Kind::file;
  std::uint8_t flags = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Entry) == 120);

inline bool is_directory(const Entry& entry) { return entry.kind == Kind::directory; }

}  // namespace fastlayers::table
