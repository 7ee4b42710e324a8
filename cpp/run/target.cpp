#include "run/target.hpp"

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

struct Place {
  std::string parent;
  std::string name;
};

Place split(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"/", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
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

sys::Fd open_or_create(int root_fd, const std::string& path, TargetKind kind, int links) {
  if (auto fd = sys::try_open_in_root(root_fd, path, O_PATH)) {
    return checked(std::move(*fd), path, kind);
  }
  if (errno != ENOENT) throw_errno("open " + path + " in the container");
  const Place place = split(path);
  const sys::Fd parent = open_or_create(root_fd, place.parent, TargetKind::directory, links);
  const bool is_dots = place.name == "." || place.name == "..";
  if (is_dots || create(parent.get(), place.name, kind)) {
    return checked(sys::open_in_root(root_fd, path, O_PATH), path, kind);
  }
  // It was not there and now it is: a dangling symlink. What it names is made instead.
  if (links == kMaxLinks) throw_errno("create " + path + " in the container", ELOOP);
  std::string next = sys::read_link_at(parent.get(), place.name);
  if (next.empty() || next.front() != '/') next = place.parent + "/" + next;
  return open_or_create(root_fd, next, kind, links + 1);
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
  return open_or_create(root_fd, path, kind, 0);
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
