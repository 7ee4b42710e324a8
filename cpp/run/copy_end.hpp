// CopyEnd: where something is copied from or to, by Docker's rules for `cp`.
//
// The path is resolved by the kernel, inside the root; what comes out are descriptors, and whatever
// becomes of the names meanwhile, what is read or written lies inside the root.
#pragma once

#include <string>

#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

struct CopyEnd {
  int root_fd = -1;       // of the host its root
  std::string path;       // absolute; a '/' or "/." at its end says that it is a directory
  std::string container;  // what people call it; "" for the host
};

struct CopySource {
  sys::Fd directory;  // the one to be copied, or the one that holds it
  std::string name;   // in that; empty: the directory itself is copied
  std::string label;  // what it is called in a tar: ".", or the last name of its path
  std::string path;   // inside the root, without links that were followed at its end
  struct stat status {};
};

// `follow` is for a symlink at the end. Error(not_found) if there is no such thing.
CopySource resolve_source(const CopyEnd& end, bool follow);

struct CopyTarget {
  sys::Fd directory;  // the one to copy into
  std::string path;   // of it, inside the root
  std::string label;  // the name there; empty: the source's own
};

// Where a directory or something else goes. Error(invalid) if it cannot go there, Error(not_found)
// if the directory that it would be made in is missing.
CopyTarget resolve_target(const CopyEnd& end, bool source_is_directory);

// The existing directory; Error(invalid) if it is none.
sys::Fd resolve_directory(const CopyEnd& end);

}  // namespace fastlayers::run
