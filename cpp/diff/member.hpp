// What the layers that are written here have in common, be it from a directory or from tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tar/writer.hpp"

namespace fastlayers::diff {

// With `epoch` (seconds), a later modification time is clamped to it (SOURCE_DATE_EPOCH).
void clamp_time(tar::Header& header, std::optional<std::int64_t> epoch);
// A later name of an inode; `header` has its path and attributes.
void write_hard_link(tar::Writer& writer, tar::Header& header, const std::string& first_name);
// An empty regular file: a whiteout or an opaque mark.
void write_marker(tar::Writer& writer, const std::string& path);

}  // namespace fastlayers::diff
