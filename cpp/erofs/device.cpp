#include "erofs/device.hpp"

#include <limits>
#include <string>

#include "base/error.hpp"
#include "erofs/format.hpp"
#include "tar/text.hpp"

namespace fastlayers::erofs {

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << kBlockBits;
constexpr std::uint64_t kMaxDeviceBytes = std::uint64_t{kHole} << kBlockBits;

[[noreturn]] void refuse(ErrorKind kind, const table::Table& table, const table::Entry& entry,
                         const char* what) {
  throw Error(kind, tar::printable(table.path(entry)) + ": " + what);
}

void check_extent(const table::Table& table, const table::Entry& entry, std::uint64_t bytes) {
  if (entry.data_offset % kBlockBytes != 0) {
    refuse(ErrorKind::invalid, table, entry, "its data does not start on a 512-byte block");
  }
  if (entry.data_offset > bytes || entry.size > bytes - entry.data_offset) {
    refuse(ErrorKind::corrupt, table, entry, "its data ends behind the end of its layer's file");
  }
  const std::uint64_t end = entry.data_offset + entry.size;
  if (end > kMaxDeviceBytes - kBlockBytes) {
    refuse(ErrorKind::unsupported, table, entry,
           "its data lies beyond the 2 TiB of a layer that EROFS can address");
  }
  // A loop device has whole blocks only, and would fail to read a cut one.
  if ((end + kBlockBytes - 1) / kBlockBytes * kBlockBytes > bytes) {
    refuse(ErrorKind::unsupported, table, entry,
           "the last 512-byte block of its data is cut off at the end of its layer's file");
  }
}

}  // namespace

DeviceMap::DeviceMap(const table::Table& table, const DeviceSize& device_size) {
  constexpr std::uint16_t kUsed = 1;
  numbers_.resize(table.layers().size() * 2);
  for (std::size_t i = 0; i < table.size(); ++i) {
    table.passed(i);
    const table::Entry& entry = table[i];
    if (!has_data(entry)) continue;
    if (entry.layer >= table.layers().size()) {
      refuse(ErrorKind::corrupt, table, entry,
             "it belongs to a layer that the table does not have");
    }
    numbers_[place(entry)] = kUsed;
  }
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if (numbers_[i] == 0) continue;
    if (devices_.size() == std::numeric_limits<std::uint16_t>::max()) {
      throw Error(ErrorKind::unsupported, "more than 65,535 layers with data in one EROFS index");
    }
    const auto layer = static_cast<std::uint32_t>(i / 2);
    const bool side = i % 2 != 0;
    devices_.push_back({layer, side, device_size(layer, side)});
    numbers_[i] = static_cast<std::uint16_t>(devices_.size());
  }
  for (std::size_t i = 0; i < table.size(); ++i) {
    table.passed(i);
    const table::Entry& entry = table[i];
    if (has_data(entry)) check_extent(table, entry, devices_[number(entry) - 1U].bytes);
  }
}

}  // namespace fastlayers::erofs
