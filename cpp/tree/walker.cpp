#include "tree/walker.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::tree {

namespace {

void walk_children(const std::string& path, int dir_fd, dev_t device, Visitor& visitor) {
  for (const auto& name : sys::list_dir(dir_fd)) {
    const auto status = sys::try_stat_at(dir_fd, name);
    if (!status) continue;  // gone since it was listed: a running container works on
    Found found;
    found.path = path;
    if (!path.empty()) found.path += '/';
    found.path += name;
    found.name = name;
    found.directory_fd = dir_fd;
    found.status = *status;
    if (!S_ISDIR(status->st_mode)) {
      visitor.visit(found);
      continue;
    }
    const auto own = sys::try_open_in_root(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!own && errno == ENOENT) continue;  // likewise
    if (!own) throw_errno("open " + found.path);
    found.own_fd = own->get();
    found.status = sys::stat_fd(own->get());
    if (visitor.visit(found) && (found.status.st_dev == device || visitor.crosses_into(found))) {
      walk_children(found.path, own->get(), device, visitor);
    }
  }
}

}  // namespace

void walk(int root_fd, Visitor& visitor) {
  Found root;
  root.directory_fd = root_fd;
  root.own_fd = root_fd;
  root.status = sys::stat_fd(root_fd);
  if (visitor.visit(root)) walk_children("", root_fd, root.status.st_dev, visitor);
}

}  // namespace fastlayers::tree
