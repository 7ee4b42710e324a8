#include "tar/sparse.hpp"

#include <charconv>
#include <optional>

#include "base/error.hpp"

namespace fastlayers::tar {

namespace {

constexpr Field kEntryOffset = {0, 12};
constexpr Field kEntryLength = {12, 12};
constexpr unsigned kMostDigits = 19;  // of a number below 2^63

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorKind::corrupt, "the sparse map is damaged: " + what);
}

void append(Extent extent, const Limits& limits, std::vector<Extent>& extents) {
  if (extents.size() >= limits.extents) {
    fail("more than " + std::to_string(limits.extents) + " runs");
  }
  extents.push_back(extent);
}

std::uint64_t take_number(std::string_view& list) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), value);
  if (error != std::errc()) fail("a number is missing");
  list.remove_prefix(static_cast<std::size_t>(end - list.data()));
  if (!list.empty()) {
    if (list[0] != ',' || list.size() == 1) fail("numbers must be separated by single commas");
    list.remove_prefix(1);
  }
  return value;
}

}  // namespace

void append_old_gnu(Block block, Field entries, const Limits& limits,
                    std::vector<Extent>& extents) {
  for (std::size_t at = entries.offset; at < entries.offset + entries.length;
       at += kSparseEntryBytes) {
    const Field offset_field = {at + kEntryOffset.offset, kEntryOffset.length};
    const Field length_field = {at + kEntryLength.offset, kEntryLength.length};
    if (block[offset_field.offset] == '\0' || block[length_field.offset] == '\0') return;
    const std::optional<std::int64_t> offset = block.number(offset_field);
    const std::optional<std::int64_t> length = block.number(length_field);
    if (!offset || !length || *offset < 0 || *length < 0) fail("a number is malformed");
    append({static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*length)}, limits,
           extents);
  }
}

void parse_sparse_list(std::string_view map, const Limits& limits, std::vector<Extent>& extents) {
  while (!map.empty()) {
    const std::uint64_t offset = take_number(map);
    if (map.empty()) fail("an offset has no length");
    const std::uint64_t length = take_number(map);
    append({offset, length}, limits, extents);
  }
}

void SparseLines::start() {
  value_ = 0;
  digits_ = 0;
  lines_ = 0;
  lines_expected_ = 1;
}

bool SparseLines::add(Block block, std::vector<Extent>& extents) {
  for (std::size_t at = 0; at < kBlockBytes; ++at) {
    const char c = block[at];
    if (c >= '0' && c <= '9') {
      if (++digits_ > kMostDigits) fail("a number is too large");
      value_ = value_ * 10 + static_cast<std::uint64_t>(c - '0');
      continue;
    }
    if (c != '\n' || digits_ == 0) fail("it must consist of decimal numbers on lines of their own");
    line(value_, extents);
    value_ = 0;
    digits_ = 0;
    if (lines_ == lines_expected_) return true;  // the rest of the block is padding
  }
  return false;
}

void SparseLines::line(std::uint64_t value, std::vector<Extent>& extents) {
  if (lines_ == 0) {
    if (value > limits_.extents) fail("more than " + std::to_string(limits_.extents) + " runs");
    lines_expected_ = 1 + 2 * value;
  } else if (lines_ % 2 == 1) {
    extents.push_back({value, 0});
  } else {
    extents.back().length = value;
  }
  ++lines_;
}

void check_extents(std::vector<Extent>& extents, std::uint64_t real_size, std::uint64_t stored) {
  std::uint64_t end = 0;
  std::uint64_t sum = 0;
  std::size_t kept = 0;
  for (const Extent extent : extents) {
    if (extent.logical_offset < end) fail("runs overlap or do not ascend");
    if (extent.logical_offset > real_size || extent.length > real_size - extent.logical_offset) {
      fail("a run ends behind the end of the file");
    }
    end = extent.logical_offset + extent.length;
    sum += extent.length;  // at most real_size, for runs do not overlap
    if (extent.length > 0) extents[kept++] = extent;
  }
  extents.resize(kept);
  if (sum != stored) {
    fail("its runs hold " + std::to_string(sum) + " bytes, the member " + std::to_string(stored));
  }
}

}  // namespace fastlayers::tar
