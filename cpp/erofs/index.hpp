// write_index: a metadata-only EROFS image of a resolved table. File contents are not in it:
// every regular file is a chunk-based inode whose one chunk points at 512-byte blocks of an
// extra device, which is the layer's tar (or side file) itself. See FORMAT.md in this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "table/table.hpp"

namespace fastlayers::erofs {

inline constexpr unsigned kBlockBits = 9;  // 512 bytes, the tar block

// One extra device, in the order in which mount must pass them (device id = position + 1).
struct Device {
  std::uint32_t layer = 0;  // index into Table::layers()
  bool side = false;        // the side file instead of the tar
  std::uint64_t bytes = 0;
  bool operator==(const Device&) const = default;
};

struct IndexInfo {
  std::vector<Device> devices;  // only those that some file refers to
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  // Extended attributes left out because no file system of Linux has their namespace (say
  // com.apple.*): everything but user., trusted., security. and the two POSIX ACLs.
  std::uint64_t xattrs_left_out = 0;
};

// Size in bytes of a layer's tar or side file.
using DeviceSize = std::function<std::uint64_t(std::uint32_t layer, bool side)>;

// Writes the index of `table` (path order) to a new file at `path` (created, mode 0600; not
// synced). Whiteouts become character devices 0:0 and opaque directories carry
// trusted.overlay.opaque=y, so an index of one resolved layer can lie above another index in
// an overlay; a merged table has neither. Deterministic. Data that does not start on a block
// boundary is Error(invalid); more than 65,535 devices, xattrs or names that EROFS cannot hold are
// Error(unsupported) naming the entry.
IndexInfo write_index(const table::Table& table, const DeviceSize& device_size,
                      const std::string& path);

}  // namespace fastlayers::erofs
