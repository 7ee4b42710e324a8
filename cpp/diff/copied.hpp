// Copied: what was changed in an upper directory that began as a whole copy of the image
// (mount/copied_root.hpp). In one that did not, all that lies there is a change.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/fd.hpp"
#include "table/table.hpp"
#include "tree/walker.hpp"

namespace fastlayers::diff {

class Copied {
 public:
  Copied(const table::Table* below, const std::string& upper);

  bool is_copy() const { return marker_.has_value(); }
  // `lower` is what the image has at that path, or nullptr. A directory says nothing of what is in
  // it.
  bool is_unchanged(const tree::Found& found, const table::Entry* lower) const;
  // What the image's directory has and this one has not.
  std::vector<std::string> missing(const tree::Found& found, const table::Entry& lower) const;

 private:
  bool is_later(const timespec& time) const;

  const table::Table* below_;
  std::optional<sys::Fd> marker_;
  timespec since_{};
  std::vector<std::string> mount_points_;  // that were made in the copy
};

}  // namespace fastlayers::diff
