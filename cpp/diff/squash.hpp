// Squash: the difference between two stacks as one layer, written from their tables and the tars
// that they point into; nothing is mounted or unpacked.
#pragma once

#include <cstdint>
#include <optional>

#include "base/io.hpp"
#include "layer/layer_store.hpp"
#include "table/table.hpp"

namespace fastlayers::diff {

// Streams the layer that makes `top` of `below` (merged tables; nullptr: an empty image): whatever
// is not as it was below with all names of its inode, complete chains of parents, and whiteouts
// for the topmost of what is gone. Contents are checked against the table: Error(corrupt) names
// the layer that is damaged. With `epoch` (seconds), later modification times are clamped to it.
void write_squashed(const table::Table* below, const table::Table& top,
                    const layer::LayerStore& layers, Sink& out, std::optional<std::int64_t> epoch);

}  // namespace fastlayers::diff
