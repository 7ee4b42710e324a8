// DeviceMap: which tars and side files the files of a table lie in, and their device numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "erofs/index.hpp"

namespace fastlayers::erofs {

class DeviceMap {
 public:
  // Checks that the data of every file lies on block boundaries and inside its device.
  // Throws Error naming the entry.
  DeviceMap(const table::Table& table, const DeviceSize& device_size);

  const std::vector<Device>& devices() const { return devices_; }
  // 1-based number of the device that holds the data of `entry`.
  std::uint16_t number(const table::Entry& entry) const { return numbers_[place(entry)]; }

 private:
  static std::size_t place(const table::Entry& entry) {
    return std::size_t{entry.layer} * 2 + ((entry.flags & table::kSide) != 0 ? 1 : 0);
  }

  std::vector<std::uint16_t> numbers_;  // by layer and side; 0: not used
  std::vector<Device> devices_;
};

// A regular file with bytes, which lie in a device.
inline bool has_data(const table::Entry& entry) {
  return entry.kind == table::Kind::file && entry.size != 0;
}

}  // namespace fastlayers::erofs
