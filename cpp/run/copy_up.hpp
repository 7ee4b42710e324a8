// Filling a new volume with what the image has in its place.
#pragma once

#include <string>

namespace fastlayers::run {

// Copies the tree `from_fd` with owners, modes, times, extended attributes, hard links and holes
// into the directory `to`, which also gets the attributes of the tree's root. Does nothing if `to`
// is not empty: its data is the user's. Sockets are left out; other file systems are not crossed
// into.
//
// Of several that would fill one volume at once, one does and the others wait. While it does, there
// is a file ".NAME.filling" beside the volume: what was left half-filled when something died or
// power failed (`is_kept`) is filled anew.
void copy_up(int from_fd, const std::string& to, bool is_kept);

}  // namespace fastlayers::run
