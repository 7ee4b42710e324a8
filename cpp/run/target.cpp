#include "run/target.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/node.hpp"

namespace fastlayers::run {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel
constexpr unsigned kDirectoryMode = 0755;
constexpr unsigned kFileMode = 0644;

[[noreturn]] void throw_open_failure(const std::string& path) {
  if (errno == ELOOP) {
    throw Error(
        ErrorKind::traversal,
        path + " in the container goes through too many links or through one that leads out",
        ELOOP);
  }
  throw_errno("open " + path + " in the container");
}

sys::Fd checked(sys::Fd fd, const std::string& path, TargetKind kind) {
  const bool is_directory = S_ISDIR(sys::stat_fd(fd.get()).st_mode);
  if (is_directory == (kind == TargetKind::directory)) return fd;
  throw Error(ErrorKind::invalid,
              path + " in the container is " + (is_directory ? "a directory" : "not a directory"));
}

// False when the name exists already.
bool create(int parent_fd, const std::string& name, TargetKind kind) {
  try {
    if (kind == TargetKind::directory) {
      sys::make_directory_at(parent_fd, name, kDirectoryMode);
    } else {
      sys::open_at(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL, kFileMode);
    }
    return true;
  } catch (const Error& error) {
    if (error.errno_value() == EEXIST) return false;
    throw;
  }
}

// Makes what is missing of `path`, component by component. A dangling symlink among them stops it:
// then the result is the path with the link replaced by what it says, else "".
std::string create_missing(int root_fd, const std::string& path, TargetKind kind) {
  sys::Fd parent = sys::open_in_root(root_fd, "/", O_PATH);
  for (std::size_t start = 0; start < path.size();) {
    const auto end = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, end - start);
    const std::string before = path.substr(0, start);
    const std::string rest = path.substr(end);
    const std::string prefix = path.substr(0, end);
    start = end + 1;
    if (name.empty() || name == ".") continue;
    auto next = sys::try_open_in_root(root_fd, prefix, O_PATH);
    if (!next) {
      if (errno != ENOENT) throw_open_failure(prefix);
      const bool is_last = rest.find_first_not_of('/') == std::string::npos;
      if (!create(parent.get(), name, is_last ? kind : TargetKind::directory)) {
        const std::string link = sys::read_link_at(parent.get(), name);
        return (link.starts_with('/') ? link : before + "/" + link) + rest;
      }
      next = sys::open_in_root(root_fd, prefix, O_PATH);
    }
    parent = std::move(*next);
  }
  return {};
}

}  // namespace

std::string clean_path(const std::string& path, const std::string& what) {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    throw Error(ErrorKind::invalid, what + " \"" + std::string(path.c_str()) +
                                        "\" is invalid: it must be an absolute path");
  }
  std::vector<std::string> parts;
  for (std::size_t start = 1; start <= path.size();) {
    const auto end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    start = end + 1;
  }
  std::string cleaned;
  for (const auto& part : parts) cleaned += "/" + part;
  return cleaned.empty() ? "/" : cleaned;
}

sys::Fd open_or_create(int root_fd, const std::string& path, TargetKind kind) {
  std::string wanted = path;
  for (int links = 0; links <= kMaxLinks; ++links) {
    if (auto fd = sys::try_open_in_root(root_fd, wanted, O_PATH)) {
      return checked(std::move(*fd), path, kind);
    }
    if (errno != ENOENT) throw_open_failure(path);
    std::string replaced = create_missing(root_fd, wanted, kind);
    if (!replaced.empty()) wanted = std::move(replaced);
  }
  errno = ELOOP;
  throw_open_failure(path);
}

sys::Fd open_system_point(int root_fd, const std::string& name) {
  // With O_NOFOLLOW a symlink is opened as itself, which O_DIRECTORY then refuses.
  auto point = sys::try_open_in_root(root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (point) return std::move(*point);
  const int error = errno;
  throw Error(ErrorKind::invalid,
              "/" + name + " of the image " +
                  (error == ENOENT ? "is missing" : "is not a directory (a symlink?)") +
                  ": nothing can be mounted there",
              error);
}

}  // namespace fastlayers::run
