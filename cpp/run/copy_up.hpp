// Filling a new volume with what the image has in its place.
#pragma once

#include <string>

namespace fastlayers::run {

// Copies the tree `from_fd` with owners, modes, times, extended attributes, hard links and holes
// into the directory `to`, which also gets the attributes of the tree's root. Does nothing if `to`
// is not empty: its data is the user's. Sockets are left out; other file systems are not crossed
// into.
void copy_up(int from_fd, const std::string& to);

}  // namespace fastlayers::run
