// difference: where a directory tree is not what write_tree() makes of a table.
#pragma once

#include <optional>
#include <string>

#include "table/table.hpp"

namespace fastlayers::tree {

// The first path, in path order, that is missing, too much, or has other attributes or contents
// than the resolved table says; nullopt if the tree is right. `root_fd` is an open directory. Every
// file is read. An attribute that the file system did not take is no difference, but for
// security.capability.
std::optional<std::string> difference(const table::Table& table, int root_fd);

}  // namespace fastlayers::tree
