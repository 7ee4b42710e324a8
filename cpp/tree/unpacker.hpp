// Unpacker: the members of a tar as files below a directory, by Docker's rules for `cp` and not
// those of layers: no name means a deletion, a directory is not replaced by something else nor the
// other way round, all else that is in the way is.
//
// Everything is done through descriptors of directories. Nothing is followed at the end of a name.
// On its way it is followed only with a root to resolve it in, which then bounds it, whatever
// others make of the tree meanwhile. A file has its name when it is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/fd.hpp"
#include "sys/new_file.hpp"
#include "tar/reader.hpp"

namespace fastlayers::tree {

struct UnpackOptions {
  bool keep_owners = true;  // else all belongs to this process's user
  int root_fd = -1;         // symlinks on the way are resolved in it; -1: none is followed
  std::string path;         // of the directory inside the root, and for messages
};

class Unpacker : public tar::Visitor {
 public:
  Unpacker(int directory_fd, UnpackOptions options);
  ~Unpacker() override;

  void member(tar::Header&& header) override;
  void body(Bytes bytes) override;
  void end_member() override;
  // Sets the times of directories; nothing is made in them any more.
  void finish();

 private:
  using Path = std::vector<std::string>;
  struct Open {
    std::string name;
    sys::Fd fd;
  };
  struct Dated {
    Path path;
    std::int64_t sec;
    std::uint32_t nsec;
  };

  Path split(const std::string& path) const;
  int enter(const Path& path, std::size_t length, bool create);
  sys::Fd enter_next(const Path& path, std::size_t depth, bool create) const;
  std::string shown(const Path& path) const;
  template <class Work>
  void in_context(const Path& path, Work work) const;  // its system errors name the path
  void make(const Path& path, const tar::Header& header);
  void make_directory(const Path& path, const tar::Header& header, bool exists);
  void make_hard_link(int parent, const std::string& name, const tar::Header& header);
  void make_node(int parent, const std::string& name, const tar::Header& header);
  void finish_file();
  void write(Bytes bytes);

  int directory_fd_;
  UnpackOptions options_;
  std::vector<Open> open_;  // the directories that lead to the current one
  std::vector<Dated> dated_;

  // The file that is being written.
  std::unique_ptr<sys::NewFile> file_;
  tar::Header header_;
  Path path_;
  std::uint64_t position_ = 0;
  std::size_t extent_ = 0;
  std::uint64_t extent_done_ = 0;
};

}  // namespace fastlayers::tree
