#include "run/copy_end.hpp"

#include <cerrno>
#include <optional>
#include <system_error>

#include "base/error.hpp"
#include "run/target.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel
constexpr int kDirectory = O_RDONLY | O_DIRECTORY;

bool asserts_directory(const std::string& path) {
  return path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
}

struct Split {
  std::string directory;
  std::string name;
};

// Of a path that does not assert a directory.
Split split(const std::string& path) {
  const auto slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string after_link(const Split& place, const std::string& link) {
  if (link.starts_with('/')) return link;
  return (place.directory == "/" ? "" : place.directory) + "/" + link;
}

std::string named(const CopyEnd& end, const std::string& path) {
  return end.container.empty() ? path : end.container + ":" + path;
}

[[noreturn]] void throw_missing(const CopyEnd& end, const std::string& path, int error) {
  if (error != ENOENT && error != ENOTDIR) throw_errno("open " + named(end, path), error);
  if (error == ENOENT && !end.container.empty()) {
    throw Error(ErrorKind::not_found,
                "Could not find the file " + path + " in container " + end.container, error);
  }
  throw Error(
      ErrorKind::not_found,
      named(end, path) + ": " + (error == ENOENT ? "no such file or directory" : "not a directory"),
      error);
}

CopySource open_source_directory(const CopyEnd& end, const std::string& path) {
  auto directory = sys::try_open_in_root(end.root_fd, path, kDirectory);
  if (!directory) throw_missing(end, path, errno);
  CopySource source;
  source.status = sys::stat_fd(directory->get());
  source.directory = std::move(*directory);
  source.path = path;
  return source;
}

void check_replaceable(const CopyEnd& end, const struct stat& status) {
  if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) return;
  throw Error(ErrorKind::invalid, "invalid output path: \"" + named(end, end.path) +
                                      "\" must be a directory or a regular file: got a device");
}

}  // namespace

CopySource resolve_source(const CopyEnd& end, bool follow) {
  const std::string clean = clean_path(end.path, "the path");
  const std::string label = end.path.ends_with("/.") || clean == "/" ? "." : split(clean).name;
  std::string path = clean;
  if (asserts_directory(end.path)) path += "/";
  for (int links = 0; links <= kMaxLinks; ++links) {
    if (asserts_directory(path)) {
      CopySource source = open_source_directory(end, path);
      source.label = label;
      const auto end_of_name = path.find_last_not_of('/');
      source.path = end_of_name == std::string::npos ? "/" : path.substr(0, end_of_name + 1);
      return source;
    }
    const Split place = split(path);
    auto parent = sys::try_open_in_root(end.root_fd, place.directory, O_PATH | O_DIRECTORY);
    if (!parent) throw_missing(end, path, errno);
    const auto status = sys::try_stat_at(parent->get(), place.name);
    if (!status) throw_missing(end, path, ENOENT);
    if (follow && S_ISLNK(status->st_mode)) {
      path = after_link(place, sys::read_link_at(parent->get(), place.name));
      continue;
    }
    if (S_ISDIR(status->st_mode)) {
      CopySource source;
      source.directory = sys::open_at(parent->get(), place.name, kDirectory);
      source.status = sys::stat_fd(source.directory.get());
      source.label = label;
      source.path = path;
      return source;
    }
    return {std::move(*parent), place.name, label, path, *status};
  }
  throw Error(ErrorKind::invalid, "too many symlinks in " + named(end, end.path), ELOOP);
}

CopyTarget resolve_target(const CopyEnd& end, bool source_is_directory) {
  std::string path = clean_path(end.path, "the path");
  if (asserts_directory(end.path) && path != "/") path += "/";
  for (int links = 0; links <= kMaxLinks; ++links) {
    if (auto directory = sys::try_open_in_root(end.root_fd, path, kDirectory)) {
      return {std::move(*directory), path, ""};
    }
    if (errno != ENOENT && errno != ENOTDIR) throw_errno("open " + named(end, path));
    const bool asserts = asserts_directory(path);
    const std::string clean = clean_path(path, "the path");
    const Split place = split(clean);
    auto parent = sys::try_open_in_root(end.root_fd, place.directory, kDirectory);
    if (!parent) {
      if (errno == ENOTDIR && end.container.empty()) {
        throw Error(ErrorKind::invalid, "stat " + clean + ": not a directory", ENOTDIR);
      }
      if (!end.container.empty()) throw_missing(end, place.directory, errno);
      throw Error(ErrorKind::not_found,
                  "invalid output path: directory \"" + place.directory + "\" does not exist");
    }
    const auto status = sys::try_stat_at(parent->get(), place.name);
    if (status && S_ISLNK(status->st_mode)) {
      path = after_link(place, sys::read_link_at(parent->get(), place.name)) + (asserts ? "/" : "");
      continue;
    }
    if (status && source_is_directory) {
      throw Error(ErrorKind::invalid,
                  "cannot copy directory: " + named(end, end.path) + " is a file");
    }
    if (asserts && !source_is_directory) {
      throw Error(ErrorKind::invalid, "no such directory: " + named(end, end.path));
    }
    if (status) check_replaceable(end, *status);
    return {std::move(*parent), place.directory, place.name};
  }
  throw Error(ErrorKind::invalid, "too many symlinks in " + named(end, end.path), ELOOP);
}

sys::Fd resolve_directory(const CopyEnd& end) {
  auto directory = sys::try_open_in_root(end.root_fd, end.path, kDirectory);
  if (directory) return std::move(*directory);
  if (errno != ENOENT && errno != ENOTDIR) throw_errno("open " + named(end, end.path));
  throw Error(ErrorKind::invalid,
              "destination \"" + named(end, end.path) + "\" must be a directory");
}

}  // namespace fastlayers::run
