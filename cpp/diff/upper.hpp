// What a container's upper directory says: its changes as a layer, and as a list.
//
// `below` is the merged table of the image's stack (nullptr: an empty image). The upper is an
// overlayfs upper directory: character devices 0:0 delete, sys::opaque_attribute() hides; or
// several of them, which together are one. In one that began as a copy of the image what differs
// from it counts (copied.hpp). Owners are the true ones (owner.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/io.hpp"
#include "table/table.hpp"

namespace fastlayers::diff {

using Uppers = std::vector<std::string>;  // paths, the lowest first; at least one

// Streams the upper directories as a layer tar (OCI image-spec, layer.md, "Creating"): whiteouts
// only for what exists below, opaque marks only where something lies below (EDGE-CASES A10),
// complete chains of parents. A name beginning with ".wh." is Error(invalid): no reader could
// tell it from a deletion.
void write_layer(const table::Table* below, const Uppers& uppers, Sink& out,
                 std::optional<std::int64_t> epoch);

enum class ChangeKind { added, changed, deleted };

struct Change {
  ChangeKind kind = ChangeKind::added;
  std::string path;  // absolute
};

// As `docker diff`, sorted by path.
std::vector<Change> list_changes(const table::Table* below, const Uppers& uppers);

std::uint64_t content_bytes(const std::string& upper);  // sum over regular files, inodes once

// Streams a whole tree (a mounted root) as a canonical tar.
void write_tree_tar(const table::Table* below, int root_fd, Sink& out);

}  // namespace fastlayers::diff
