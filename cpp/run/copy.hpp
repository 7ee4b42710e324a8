// copy: trees between containers and the host, and as tars.
//
// What is copied always goes through a tar: there is one way to read a tree and one to make one. It
// goes into other file systems (volumes), but not into those of the kernel, nor into /dev when a
// whole root is copied.
#pragma once

#include <cstdint>
#include <functional>

#include "base/io.hpp"
#include "run/copy_end.hpp"

namespace fastlayers::run {

struct CopyOptions {
  bool follow_link = false;  // at the end of the source's path
  bool keep_owners = true;   // else all belongs to this process's user
};

// All return the bytes of the tar. What `check` throws ends the copying; it is called now and then.
using Check = std::function<void()>;

std::uint64_t copy_tree(const CopyEnd& from, const CopyEnd& to, const CopyOptions& options,
                        const Check& check);
std::uint64_t pack_tree(const CopyEnd& from, bool follow_link, Sink& out);
// `in` may be compressed. The directory must exist.
std::uint64_t unpack_tree(Source& in, const CopyEnd& to, const CopyOptions& options,
                          const Check& check);

}  // namespace fastlayers::run
