// From a stack of layers to the plan of its root.
#pragma once

#include <string>

#include "layer/chain.hpp"
#include "mount/root.hpp"

namespace fastlayers::mount {

enum class Backend { erofs, erofs_loop, overlay, copy };

// "erofs", "erofs-loop", "overlay" or "copy"; anything else is Error(invalid).
Backend parse_backend(const std::string& name);

// The lowers of the bare stack, built when missing; read-only.
Root image_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend);

// Builds what container_root() needs.
void prepare(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend);

// The same with missing mount points in front, the frozen upper directories of a container (named
// in its file "frozen", one a line, base first; see frozen_upper.py), and its upper and work
// folders.
Root container_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend,
                    const std::string& directory, bool read_only);

}  // namespace fastlayers::mount
