// Block: a view of one 512-byte header block, and where its fields lie (POSIX.1-2017 pax,
// "ustar Interchange Format"; the GNU fields from GNU tar's manual, "Basic Tar Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fastlayers::tar {

inline constexpr std::size_t kBlockBytes = 512;

// The bytes that round `size` up to whole blocks.
constexpr std::uint64_t padding(std::uint64_t size) {
  return (kBlockBytes - size % kBlockBytes) % kBlockBytes;
}

struct Field {
  std::size_t offset;
  std::size_t length;
};

inline constexpr Field kNameField = {0, 100};
inline constexpr Field kModeField = {100, 8};
inline constexpr Field kUidField = {108, 8};
inline constexpr Field kGidField = {116, 8};
inline constexpr Field kSizeField = {124, 12};
inline constexpr Field kMtimeField = {136, 12};
inline constexpr Field kChecksumField = {148, 8};
inline constexpr std::size_t kTypeOffset = 156;
inline constexpr Field kLinkField = {157, 100};
inline constexpr Field kMagicField = {257, 8};  // with the version
inline constexpr Field kDevMajorField = {329, 8};
inline constexpr Field kDevMinorField = {337, 8};
inline constexpr Field kPrefixField = {345, 155};
inline constexpr Field kStarPrefixField = {345, 131};  // star keeps atime and ctime behind it
inline constexpr Field kStarMagicField = {508, 4};

// Old GNU sparse members: entries of an offset and a length, 12 bytes each.
inline constexpr std::size_t kSparseEntryBytes = 24;
inline constexpr Field kSparseEntries = {386, 4 * kSparseEntryBytes};
inline constexpr std::size_t kSparseMoreOffset = 482;
inline constexpr Field kSparseSizeField = {483, 12};
inline constexpr Field kSparseExtensionEntries = {0, 21 * kSparseEntryBytes};
inline constexpr std::size_t kSparseExtensionMoreOffset = 504;

class Block {
 public:
  explicit Block(const std::byte* data) : data_(reinterpret_cast<const char*>(data)) {}

  char operator[](std::size_t offset) const { return data_[offset]; }
  std::string_view bytes(Field field) const { return {data_ + field.offset, field.length}; }
  std::string_view text(Field field) const;  // up to the first NUL

  // Octal with leading blanks and a blank or NUL behind it, or GNU base-256. An empty field is
  // 0; nothing when the field is malformed or does not fit.
  std::optional<std::int64_t> number(Field field) const;

  bool is_zero() const;
  // Sums of unsigned bytes (POSIX) and of signed ones (historic Sun tar) are both right.
  bool checksum_matches() const;
  // Only POSIX archives have a prefix: GNU and star keep times in its place.
  bool has_ustar_magic() const {
    return bytes(kMagicField).starts_with(std::string_view("ustar", 6));
  }
  bool has_gnu_magic() const { return bytes(kMagicField) == std::string_view("ustar  ", 8); }
  std::string_view prefix() const;

 private:
  const char* data_;
};

// The POSIX sum of a block, with its checksum field taken as blanks.
std::uint32_t checksum(const std::byte* block);

}  // namespace fastlayers::tar
