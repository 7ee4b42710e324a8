// TreeTar: directory entries as canonical tar members.
//
// Names are numeric, times keep their nanoseconds, the first name of an inode is the file and
// the later ones hard links, sockets are skipped, devices and fifos are headers only, and control
// or host-bound xattrs are dropped. The same tree gives the same bytes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "diff/member.hpp"
#include "tar/writer.hpp"
#include "tree/walker.hpp"

namespace fastlayers::diff {

class TreeTar {
 public:
  // With `epoch` (seconds), later modification times are clamped to it (SOURCE_DATE_EPOCH).
  explicit TreeTar(Sink& out, std::optional<std::int64_t> epoch = {})
      : writer_(out), epoch_(epoch) {}

  void add(const tree::Found& found);
  void add_marker(const std::string& path) { write_marker(writer_, path); }
  void finish() { writer_.finish(); }

 private:
  void add_file(tar::Header& header, const tree::Found& found);

  tar::Writer writer_;
  std::optional<std::int64_t> epoch_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
};

// True for attributes that say something about the union or about this host only.
bool is_local_xattr(std::string_view name);

}  // namespace fastlayers::diff
