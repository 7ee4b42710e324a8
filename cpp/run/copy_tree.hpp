// Copying a tree of files as it is.
#pragma once

#include "sys/fd.hpp"

namespace fastlayers::run {

// volume: what a user sees, so overlayfs' own attributes and sockets are left out. upper: an upper
// directory as overlayfs reads it, with its whiteouts, its attributes and the sockets, which hide
// what lies below.
enum class CopyOf { volume, upper };

// Copies with owners, modes, times, extended attributes, hard links and holes into the empty
// directory `to`, which also gets the attributes of the tree's root. Other file systems are not
// crossed into.
void copy_tree(int from_fd, sys::Fd to, CopyOf what);

}  // namespace fastlayers::run
