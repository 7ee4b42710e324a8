// NewFile: a file that gets its name in a directory when it is whole, in one step. Until then it
// has none (O_TMPFILE) where the file system can do that, else one of its own; without a name at
// the end it is gone.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

class NewFile {
 public:
  explicit NewFile(int dir_fd);  // which must live as long
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  int fd() const { return fd_.get(); }  // for reading and writing, mode 0600
  // What has the name already is replaced, unless it is a directory: Error(system).
  void take_name(const std::string& name);

 private:
  int dir_fd_;
  Fd fd_;
  std::string interim_;  // its name until then, if it has one
};

}  // namespace fastlayers::sys
