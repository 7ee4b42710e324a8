// Mounting one EROFS index with the files that hold its data.
#pragma once

#include "mount/root.hpp"

namespace fastlayers::mount {

// A detached, read-only mount. Throws Error as attach() does.
sys::Fd mount_index(const ErofsIndex& index);

}  // namespace fastlayers::mount
