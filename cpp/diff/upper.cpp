#include "diff/upper.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "diff/copied.hpp"
#include "diff/owner.hpp"
#include "diff/tree_tar.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "tar/text.hpp"
#include "tree/walker.hpp"

namespace fastlayers::diff {

namespace {

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

bool is_opaque(const tree::Found& found) {
  const auto value = sys::get_xattr(found.own_fd, sys::opaque_attribute());
  return value && *value == "y";
}

const table::Entry* find_below(const table::Table* below, std::string_view path) {
  if (below == nullptr) return nullptr;
  const auto index = below->find(path);
  return index ? &(*below)[*index] : nullptr;
}

// The upper's root directory stands for the image's root; only real changes to it are written.
bool root_changed(const table::Table* below, const tree::Found& root) {
  const table::Entry* e = find_below(below, "");
  if (e == nullptr) return false;
  return e->mode != (root.status.st_mode & 07777) || e->uid != root.status.st_uid ||
         e->gid != root.status.st_gid;
}

class LayerVisitor : public tree::Visitor {
 public:
  LayerVisitor(const table::Table* below, const std::string& upper, Sink& out,
               std::optional<std::int64_t> epoch)
      : below_(below), copied_(below, upper), tar_(out, epoch) {}

  bool visit(const tree::Found& on_disk) override {
    const tree::Found found = with_owner(below_, on_disk);
    if (found.path.empty()) {
      if (root_changed(below_, found)) tar_.add(found);
      const table::Entry* lower = find_below(below_, "");
      if (!copied_.is_copy() || lower == nullptr) return true;
      for (const std::string& name : copied_.missing(found, *lower)) tar_.add_marker(".wh." + name);
      return true;
    }
    if (found.name.starts_with(".wh.")) {
      throw Error(ErrorKind::invalid, tar::printable("/" + found.path) +
                                          " cannot be stored in a layer: names beginning with "
                                          ".wh. mean deletions; rename or remove it");
    }
    const table::Entry* lower = find_below(below_, found.path);
    if (copied_.is_copy()) return visit_copied(found, lower);
    // A socket cannot be in a layer, but the file it replaced is gone all the same.
    if (is_whiteout(found.status) || S_ISSOCK(found.status.st_mode)) {
      const std::size_t directory = found.path.size() - found.name.size();
      if (lower != nullptr) {
        tar_.add_marker(found.path.substr(0, directory) + ".wh." + found.name);
      }
      return false;
    }
    tar_.add(found);
    if (S_ISDIR(found.status.st_mode) && lower != nullptr && is_directory(*lower) &&
        is_opaque(found)) {
      tar_.add_marker(found.path + "/.wh..wh..opq");
    }
    return true;
  }

  void finish() { tar_.finish(); }

 private:
  // As overlayfs has it, the directories that lead to a change are in the layer, too.
  bool visit_copied(const tree::Found& found, const table::Entry* lower) {
    while (!unwritten_.empty() && !is_in(found.path, unwritten_.back().path)) unwritten_.pop_back();
    const bool is_directory_below = lower != nullptr && is_directory(*lower);
    const bool is_directory_here = S_ISDIR(found.status.st_mode);
    const auto gone = is_directory_here && is_directory_below ? copied_.missing(found, *lower)
                                                              : std::vector<std::string>();
    if (gone.empty() && copied_.is_unchanged(found, lower)) {
      if (is_directory_here && lower != nullptr) unwritten_.push_back(found);
      return true;
    }
    for (const tree::Found& directory : unwritten_) tar_.add(directory);
    unwritten_.clear();
    if (S_ISSOCK(found.status.st_mode)) {
      const std::size_t directory = found.path.size() - found.name.size();
      if (lower != nullptr) tar_.add_marker(found.path.substr(0, directory) + ".wh." + found.name);
      return false;
    }
    tar_.add(found);
    for (const std::string& name : gone) tar_.add_marker(found.path + "/.wh." + name);
    return true;
  }

  static bool is_in(const std::string& path, const std::string& directory) {
    return path.size() > directory.size() && path.starts_with(directory) &&
           path[directory.size()] == '/';
  }

  const table::Table* below_;
  Copied copied_;
  std::vector<tree::Found> unwritten_;  // directories on the way that are as they were
  TreeTar tar_;
};

class ChangeVisitor : public tree::Visitor {
 public:
  ChangeVisitor(const table::Table* below, const std::string& upper)
      : below_(below), copied_(below, upper) {}

  bool visit(const tree::Found& found) override {
    const table::Entry* lower = find_below(below_, found.path);
    if (copied_.is_copy()) return visit_copied(found, lower);
    if (found.path.empty()) return true;
    if (is_whiteout(found.status)) {
      if (lower != nullptr) changes.push_back({ChangeKind::deleted, "/" + found.path});
      return false;
    }
    changes.push_back(
        {lower != nullptr ? ChangeKind::changed : ChangeKind::added, "/" + found.path});
    if (S_ISDIR(found.status.st_mode) && lower != nullptr && is_directory(*lower) &&
        is_opaque(found)) {
      list_hidden(found, *lower);
    }
    return true;
  }

  std::vector<Change> changes;

 private:
  bool visit_copied(const tree::Found& found, const table::Entry* lower) {
    while (!unlisted_.empty() && !found.path.starts_with(unlisted_.back() + "/")) {
      unlisted_.pop_back();
    }
    const bool is_directory_here = S_ISDIR(found.status.st_mode);
    const auto gone = is_directory_here && lower != nullptr && is_directory(*lower)
                          ? copied_.missing(found, *lower)
                          : std::vector<std::string>();
    if (found.path.empty()) {
      for (const auto& name : gone) changes.push_back({ChangeKind::deleted, "/" + name});
      return true;
    }
    if (gone.empty() && copied_.is_unchanged(found, lower)) {
      if (is_directory_here && lower != nullptr) unlisted_.push_back(found.path);
      return true;
    }
    for (const auto& path : unlisted_) changes.push_back({ChangeKind::changed, "/" + path});
    unlisted_.clear();
    changes.push_back(
        {lower != nullptr ? ChangeKind::changed : ChangeKind::added, "/" + found.path});
    for (const auto& name : gone) {
      changes.push_back({ChangeKind::deleted, "/" + found.path + "/" + name});
    }
    return true;
  }

  // Children that an opaque directory hides and that were not made anew.
  void list_hidden(const tree::Found& found, const table::Entry& lower) {
    const auto directory = static_cast<std::size_t>(&lower - below_->entries().data());
    std::size_t i = directory + 1;
    const std::size_t end = below_->subtree_end(directory);
    while (i < end) {
      const std::string name(below_->name((*below_)[i]));
      if (!sys::try_stat_at(found.own_fd, name)) {
        changes.push_back({ChangeKind::deleted, "/" + found.path + "/" + name});
      }
      i = below_->subtree_end(i);
    }
  }

  const table::Table* below_;
  Copied copied_;
  std::vector<std::string> unlisted_;
};

class SizeVisitor : public tree::Visitor {
 public:
  bool visit(const tree::Found& found) override {
    if (!S_ISREG(found.status.st_mode)) return true;
    if (found.status.st_nlink == 1 || seen_.insert(found.status.st_ino).second) {
      bytes += static_cast<std::uint64_t>(found.status.st_size);
    }
    return true;
  }
  std::uint64_t bytes = 0;

 private:
  std::set<ino_t> seen_;
};

class ExportVisitor : public tree::Visitor {
 public:
  ExportVisitor(const table::Table* below, Sink& out) : below_(below), tar_(out) {}
  bool visit(const tree::Found& found) override {
    if (!found.path.empty()) tar_.add(with_owner(below_, found));
    return true;
  }
  void finish() { tar_.finish(); }

 private:
  const table::Table* below_;
  TreeTar tar_;
};

sys::Fd open_tree(const std::string& path) { return sys::open(path, O_RDONLY | O_DIRECTORY); }

}  // namespace

void write_layer(const table::Table* below, const std::string& upper, Sink& out,
                 std::optional<std::int64_t> epoch) {
  const ProfileTimer timer(ProfilePart::walk);
  LayerVisitor visitor(below, upper, out, epoch);
  tree::walk(open_tree(upper).get(), visitor);
  visitor.finish();
}

std::vector<Change> list_changes(const table::Table* below, const std::string& upper) {
  const ProfileTimer timer(ProfilePart::walk);
  ChangeVisitor visitor(below, upper);
  tree::walk(open_tree(upper).get(), visitor);
  std::sort(visitor.changes.begin(), visitor.changes.end(), [](const Change& a, const Change& b) {
    return table::compare_paths(a.path, b.path) < 0;
  });
  return std::move(visitor.changes);
}

std::uint64_t content_bytes(const std::string& upper) {
  const ProfileTimer timer(ProfilePart::walk);
  SizeVisitor visitor;
  tree::walk(open_tree(upper).get(), visitor);
  return visitor.bytes;
}

void write_tree_tar(const table::Table* below, int root_fd, Sink& out) {
  const ProfileTimer timer(ProfilePart::walk);
  ExportVisitor visitor(below, out);
  tree::walk(root_fd, visitor);
  visitor.finish();
}

}  // namespace fastlayers::diff
