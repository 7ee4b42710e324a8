// Sparse maps in their four spellings, all turned into extents.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tar/block.hpp"
#include "tar/header.hpp"
#include "tar/reader.hpp"

namespace fastlayers::tar {

// Old GNU: appends the entries of one header or extension block, up to the first empty one.
void append_old_gnu(Block block, Field entries, const Limits& limits, std::vector<Extent>& extents);

// PAX 0.1: "offset,length,offset,length,...".
void parse_sparse_list(std::string_view map, const Limits& limits, std::vector<Extent>& extents);

// PAX 1.0: the map stands in front of the data, as lines: the number of entries, then an offset
// and a length for each, in whole blocks.
class SparseLines {
 public:
  explicit SparseLines(const Limits& limits) : limits_(limits) {}
  void start();
  // Takes one block; true when the map is complete.
  bool add(Block block, std::vector<Extent>& extents);

 private:
  void line(std::uint64_t value, std::vector<Extent>& extents);

  Limits limits_;
  std::uint64_t value_ = 0;
  unsigned digits_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t lines_expected_ = 0;
};

// Checks that the extents ascend inside `real_size` and hold exactly `stored` bytes; drops the
// empty ones. Throws Error(corrupt).
void check_extents(std::vector<Extent>& extents, std::uint64_t real_size, std::uint64_t stored);

}  // namespace fastlayers::tar
