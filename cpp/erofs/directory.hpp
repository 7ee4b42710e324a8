// One directory's entries in their on-disk blocks: in each block an array of Dirents, then the
// names. Names are in strictly ascending byte order, "." and ".." among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fastlayers::erofs {

struct DirectoryName {
  std::string_view name;
  std::uint64_t nid = 0;
  std::uint8_t type = 0;
};

// Collects the names of one directory after the other, given in order without "." and "..".
class DirectoryNames {
 public:
  void start(std::uint64_t self_nid, std::uint64_t parent_nid);
  void add(const DirectoryName& child);
  std::span<const DirectoryName> finish();

 private:
  void add_dots_before(std::string_view name);

  std::vector<DirectoryName> names_;
  DirectoryName dots_[2];
  unsigned next_dot_ = 2;
};

// Bytes of all blocks; of the last one only those in use.
std::uint64_t directory_bytes(std::span<const DirectoryName> names);

// Writes all full blocks to `blocks` and the last, partly used one to `tail`. Both lie in zeroed
// memory.
void write_directory(std::span<const DirectoryName> names, std::byte* blocks, std::byte* tail);

inline constexpr std::uint8_t kTypeFile = 1;
inline constexpr std::uint8_t kTypeDirectory = 2;
inline constexpr std::uint8_t kTypeCharacter = 3;
inline constexpr std::uint8_t kTypeBlock = 4;
inline constexpr std::uint8_t kTypeFifo = 5;
inline constexpr std::uint8_t kTypeSymlink = 7;

}  // namespace fastlayers::erofs
