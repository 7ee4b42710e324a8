// Owner: whom a file was given to, where all on disk belongs to one id (sys::has_single_id()).
//
// It is noted in the attribute user.fastlayers.owner ("uid:gid" in decimal, -1 for what stays as it
// was), which only files and directories can have, and becomes the owner in layers and tars.
#pragma once

#include <cstdint>
#include <string>

#include "table/table.hpp"
#include "tree/walker.hpp"

namespace fastlayers::diff {

inline constexpr const char* kOwnerAttribute = "user.fastlayers.owner";

// `fd` is open, also by O_PATH. What is neither a file nor a directory, or lies on a file system
// without such attributes, is left alone. 0xffffffff: as it was.
void note_owner(int fd, std::uint32_t uid, std::uint32_t gid);

// What was found with its true owner: the noted one, or the one that the image (`below`, nullptr:
// none) has at that path, or root. Where there are more ids, as it was found.
tree::Found with_owner(const table::Table* below, tree::Found found);

}  // namespace fastlayers::diff
