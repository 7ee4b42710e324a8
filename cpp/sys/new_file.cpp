#include "sys/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/node.hpp"

namespace fastlayers::sys {

namespace {

constexpr unsigned kMode = 0600;
constexpr const char* kInterim = ".fastlayers-";

}  // namespace

NewFile::NewFile(int dir_fd) : dir_fd_(dir_fd) {
  fd_ = Fd(::openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (fd_) return;
  if (errno != EOPNOTSUPP && errno != EISDIR) throw_errno("create a file");
  std::string name = unique_name(kInterim);
  fd_ = open_at(dir_fd, name, O_RDWR | O_CREAT | O_EXCL, kMode);
  interim_ = std::move(name);
}

NewFile::~NewFile() {
  if (!interim_.empty()) try_unlink_at(dir_fd_, interim_);
}

void NewFile::take_name(const std::string& name) {
  const auto link = [this](const std::string& as) {
    return ::linkat(AT_FDCWD, fd_path(fd_.get()).c_str(), dir_fd_, as.c_str(), AT_SYMLINK_FOLLOW) ==
           0;
  };
  if (interim_.empty()) {
    if (link(name)) return;
    if (errno != EEXIST) throw_errno("create " + name);
    std::string interim = unique_name(kInterim);
    if (!link(interim)) throw_errno("create " + name);
    interim_ = std::move(interim);
  }
  rename_at(dir_fd_, interim_, name);
  interim_.clear();
}

}  // namespace fastlayers::sys
