// Several overlayfs upper directories, each written over those below it, looked at as if they were
// one: what a container has changed when part of it is frozen and shared with its forks.
#pragma once

#include <vector>

#include "tree/walker.hpp"

namespace fastlayers::diff {

class UpperVisitor {
 public:
  virtual ~UpperVisitor() = default;
  // As tree::Visitor::visit. A whiteout of the stack is one of what is below all of it. `is_opaque`
  // says of a directory that it hides what is there.
  virtual bool visit(const tree::Found& found, bool is_opaque) = 0;
};

bool is_whiteout(const struct stat& status);

// Visits what the stack comes to, in path order; `uppers` are open directories, the topmost first.
// As many descriptors are open at a time as the path has directories in all of them.
void walk_uppers(const std::vector<int>& uppers, UpperVisitor& visitor);

}  // namespace fastlayers::diff
