// The mount points that a container needs: /dev, /proc, /sys and three files in /etc.
#pragma once

#include <optional>

#include "table/table.hpp"

namespace fastlayers::layer {

// Those that an image (a merged table) lacks, as a resolved table that lies above it; nullopt if it
// has them all.
std::optional<table::Table> missing_mount_points(const table::Table& image);

}  // namespace fastlayers::layer
