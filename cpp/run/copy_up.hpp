// Filling a new volume with what the image has in its place.
#pragma once

#include <string>

namespace fastlayers::run {

// Copies the tree `from_fd` into the directory `to` (see copy_tree). Does nothing if `to` is not
// empty: its data is the user's.
//
// Of several that would fill one volume at once, one does and the others wait. While it does, there
// is a file ".NAME.filling" beside the volume: what was left half-filled when something died or
// power failed (`is_kept`) is filled anew.
void copy_up(int from_fd, const std::string& to, bool is_kept);

}  // namespace fastlayers::run
