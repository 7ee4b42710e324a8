// The layer rules, applied in memory on tables: OCI image-spec, layer.md, "Applying Changesets".
//
// resolve() turns one layer's members into what a delta must contain, given the stack below;
// merge() lays such a delta over the stack. Both are pure; the results own their memory.
#pragma once

#include "table/table.hpp"

namespace fastlayers::table {

// `layer` (tar order) applied to `below` (path order; nullptr below the base layer). The result,
// in path order, holds exactly the paths whose record changes, their directories (with true
// attributes), whiteouts of what disappears, and the opaque flag on directories that hide what
// is below. A whiteout acts on what is below only, before any entry, wherever it stands; a hard
// link to a file of a lower layer brings all names of that inode along; an entry below a symlink
// lands where the link points, inside the root. Layers are below's, then the layer's own.
// Throws Error: corrupt, traversal or limit, naming the entry.
Table resolve(const Table* below, const Table& layer);

// The stack with `delta` on top; no whiteouts, no opaque flags.
Table merge(const Table* below, const Table& delta);
Table merge(const Table* below, Table&& delta);  // over nothing, the delta itself

}  // namespace fastlayers::table
