// The layer rules, applied in memory on tables: OCI image-spec, layer.md, "Applying Changesets".
//
// resolve() turns one layer's members into what a delta must contain, given the stack below;
// merge() lays such a delta over the stack; apply() does both in one go. All are pure: the results
// refer to nothing of what they were made from. They are built by `out`, which says where they lie.
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
Table resolve(const Table* below, const Table& layer, TableBuilder out = TableBuilder(Order::path));

// The stack with `delta` on top; no whiteouts, no opaque flags.
Table merge(const Table* below, const Table& delta, TableBuilder out = TableBuilder(Order::path));

// The stack with `layer` (tar order) on top: merge() of what resolve() makes of it.
Table apply(const Table* below, const Table& layer, TableBuilder out = TableBuilder(Order::path));

}  // namespace fastlayers::table
