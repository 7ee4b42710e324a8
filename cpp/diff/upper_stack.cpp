#include "diff/upper_stack.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"

namespace fastlayers::diff {

namespace {

bool is_opaque(int directory) {
  const auto value = sys::get_xattr(directory, sys::opaque_attribute());
  return value && *value == "y";
}

std::vector<std::string> names_in(const std::vector<int>& layers) {
  if (layers.size() == 1) return sys::list_dir(layers.front());
  std::vector<std::string> names;
  for (const int layer : layers) {
    for (auto& name : sys::list_dir(layer)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

class Walk {
 public:
  Walk(dev_t device, UpperVisitor& visitor) : device_(device), visitor_(visitor) {}

  void children(const std::string& path, const std::vector<int>& layers) {
    for (const auto& name : names_in(layers)) {
      tree::Found found;
      found.path = path;
      if (!path.empty()) found.path += '/';
      found.path += name;
      found.name = name;
      one(found, layers);
    }
  }

 private:
  // Overlayfs's rule: the topmost wins; directories that lie on directories are one with them, down
  // to the first that is opaque or lies on something else.
  void one(tree::Found& found, const std::vector<int>& layers) {
    std::vector<sys::Fd> parts;
    bool hides = false;
    for (std::size_t i = 0; i < layers.size() && !hides; ++i) {
      const auto status = sys::try_stat_at(layers[i], found.name);
      // Not in this one; or gone since it was listed: a running container works on.
      if (!status) continue;
      if (!S_ISDIR(status->st_mode)) {
        if (!parts.empty()) {
          hides = true;
          continue;
        }
        found.directory_fd = layers[i];
        found.status = *status;
        visitor_.visit(found, false);
        return;
      }
      auto own = sys::try_open_in_root(layers[i], found.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!own && errno == ENOENT) continue;  // likewise
      if (!own) throw_errno("open " + found.path);
      if (parts.empty()) {
        found.directory_fd = layers[i];
        found.status = sys::stat_fd(own->get());
      }
      hides = is_opaque(own->get());
      parts.push_back(std::move(*own));
    }
    if (parts.empty()) return;
    found.own_fd = parts.front().get();
    // As tree::walk, it does not go into other file systems.
    if (!visitor_.visit(found, hides) || found.status.st_dev != device_) return;
    std::vector<int> below;
    for (const auto& part : parts) below.push_back(part.get());
    children(found.path, below);
  }

  dev_t device_;
  UpperVisitor& visitor_;
};

}  // namespace

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

void walk_uppers(const std::vector<int>& uppers, UpperVisitor& visitor) {
  tree::Found root;
  root.directory_fd = uppers.front();
  root.own_fd = uppers.front();
  root.status = sys::stat_fd(uppers.front());
  if (visitor.visit(root, false)) Walk(root.status.st_dev, visitor).children("", uppers);
}

}  // namespace fastlayers::diff
