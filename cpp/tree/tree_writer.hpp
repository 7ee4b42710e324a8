// write_tree: a resolved table as a directory tree.
//
// With overlay marks, whiteouts become character devices 0:0 and opaque directories carry
// sys::opaque_attribute()=y: the directory can then be a lower of an overlay. Directories are made
// first, then files by several threads, then hard links, then the attributes of directories (so
// that their times stand). Every step works on directory descriptors, never on paths, so nothing
// in a table can lead outside `root_fd`.
#pragma once

#include <functional>

#include "table/table.hpp"

namespace fastlayers::tree {

// The descriptor of a layer's tar or side file, open for reading; called from several threads.
using DataFile = std::function<int(std::uint32_t layer, bool side)>;

struct WriteOptions {
  bool overlay_marks = true;
  unsigned threads = 2;
};

// Nobody makes a device in a user namespace: an empty file stands in for it, so that the image can
// be used and what is below stays hidden (EDGE-CASES G10).
bool stands_in(table::Kind kind);

// `root_fd` is an open, empty directory; it receives the root's own attributes too.
void write_tree(const table::Table& table, int root_fd, const DataFile& data,
                const WriteOptions& options);

}  // namespace fastlayers::tree
