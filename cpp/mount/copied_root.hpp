// The copy backend: where overlayfs is forbidden, a container's upper directory is a whole copy of
// its image's tree, and its root is that directory.
#pragma once

#include <string>

#include "layer/chain.hpp"

namespace fastlayers::mount {

// Fills <directory>/upper, with missing mount points, unless that has been done. When it is done
// there is a file <directory>/copied, which names these mount points (a NUL behind each), and what
// is changed from then on has a later change time (ctime) than it. Error(conflict) for a container
// that another backend has been used for.
void copy_root(const layer::ChainStore& chains, const layer::Stack& stack,
               const std::string& directory);

// Error(conflict) for a container that has been filled so; for the other backends.
void refuse_copied_root(const std::string& directory);

}  // namespace fastlayers::mount
