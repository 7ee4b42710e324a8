// What this kernel, this user and this folder allow; asked once, by trying.
#pragma once

#include <string>
#include <string_view>

namespace fastlayers::sys {

// An answer and the reason for it, fit for `fastlayers info`.
struct Answer {
  bool yes = false;
  std::string why;
};

struct Probe {
  Answer erofs_file;   // file-backed EROFS with the index in this store
  Answer erofs_loop;   // EROFS through loop devices
  Answer overlay;      // overlayfs with an upper in this store
  std::string kernel;  // uname -r
};

// Whether FASTLAYERS_FORBID takes away something that the kernel could do.
bool is_forbidden(std::string_view what);

// `directory` is a writable folder of the store; scratch files in it are removed again.
// Set FASTLAYERS_FORBID (comma list of erofs-file, erofs-loop, overlay, overlay-append) to force
// the fallbacks.
Probe probe(const std::string& directory);

}  // namespace fastlayers::sys
