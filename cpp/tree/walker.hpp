// walk: a directory tree in path order (depth first, names sorted by bytes), by descriptors only.
#pragma once

#include <string>

#include "sys/file.hpp"

namespace fastlayers::tree {

struct Found {
  std::string path;  // relative to the root of the walk; "" for the root itself
  std::string name;
  int directory_fd = -1;  // of the directory that holds it (of the root itself, for the root)
  int own_fd = -1;        // directories only: open for reading
  struct stat status {};
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  // Called for a directory before what is in it. Returning false skips its contents.
  virtual bool visit(const Found& found) = 0;
  // Asked for a directory on another file system than the root of the walk, after visit().
  virtual bool crosses_into(const Found& /*found*/) { return false; }
};

// Does not cross into other file systems unless the visitor does: a mount point is visited as the
// directory it is.
void walk(int root_fd, Visitor& visitor);

}  // namespace fastlayers::tree
