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
#include "diff/upper_stack.hpp"
#include "sys/file.hpp"
#include "tar/text.hpp"
#include "tree/walker.hpp"

namespace fastlayers::diff {

namespace {

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

class LayerVisitor : public UpperVisitor {
 public:
  LayerVisitor(const table::Table* below, const std::string& upper, Sink& out,
               std::optional<std::int64_t> epoch)
      : below_(below), copied_(below, upper), tar_(out, epoch) {}

  bool visit(const tree::Found& on_disk, bool is_opaque) override {
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
    if (is_opaque && lower != nullptr && is_directory(*lower)) {
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

class ChangeVisitor : public UpperVisitor {
 public:
  ChangeVisitor(const table::Table* below, const std::string& upper)
      : below_(below), copied_(below, upper) {}

  bool visit(const tree::Found& found, bool is_opaque) override {
    const table::Entry* lower = find_below(below_, found.path);
    if (copied_.is_copy()) return visit_copied(found, lower);
    if (found.path.empty()) return true;
    if (is_whiteout(found.status)) {
      if (lower != nullptr) changes_.push_back({ChangeKind::deleted, "/" + found.path});
      return false;
    }
    changes_.push_back(
        {lower != nullptr ? ChangeKind::changed : ChangeKind::added, "/" + found.path});
    // What was made in an opaque directory needs no mark of its own to hide what lies below it.
    const bool is_in_opaque = !opaque_.empty() && found.path.starts_with(opaque_);
    if (is_opaque && !is_in_opaque) opaque_ = found.path + "/";
    const bool is_directory_here = S_ISDIR(found.status.st_mode);
    if (is_directory_here && (is_opaque || is_in_opaque) && lower != nullptr &&
        is_directory(*lower)) {
      hiding_.push_back(lower);
    }
    return true;
  }

  // All changes, sorted by path.
  std::vector<Change> finish() {
    std::set<std::string, std::less<>> paths;
    if (!hiding_.empty()) {
      for (const auto& change : changes_) paths.insert(change.path);
    }
    for (const table::Entry* directory : hiding_) list_hidden(*directory, paths);
    std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) {
      return table::compare_paths(a.path, b.path) < 0;
    });
    return std::move(changes_);
  }

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
      for (const auto& name : gone) changes_.push_back({ChangeKind::deleted, "/" + name});
      return true;
    }
    if (gone.empty() && copied_.is_unchanged(found, lower)) {
      if (is_directory_here && lower != nullptr) unlisted_.push_back(found.path);
      return true;
    }
    for (const auto& path : unlisted_) changes_.push_back({ChangeKind::changed, "/" + path});
    unlisted_.clear();
    changes_.push_back(
        {lower != nullptr ? ChangeKind::changed : ChangeKind::added, "/" + found.path});
    for (const auto& name : gone) {
      changes_.push_back({ChangeKind::deleted, "/" + found.path + "/" + name});
    }
    return true;
  }

  // Children of a directory that was made anew, unless they were, too.
  void list_hidden(const table::Entry& hiding, const std::set<std::string, std::less<>>& made) {
    const auto directory = static_cast<std::size_t>(&hiding - below_->entries().data());
    std::size_t i = directory + 1;
    const std::size_t end = below_->subtree_end(directory);
    while (i < end) {
      std::string path(1, '/');
      path += below_->path((*below_)[i]);
      if (!made.contains(path)) changes_.push_back({ChangeKind::deleted, std::move(path)});
      i = below_->subtree_end(i);
    }
  }

  const table::Table* below_;
  Copied copied_;
  std::vector<std::string> unlisted_;
  std::vector<Change> changes_;
  std::vector<const table::Entry*> hiding_;
  std::string opaque_;  // the last such directory that is not in another one, with a slash
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

// The container's own. One that began as a copy of the image is alone (see frozen_upper.py).
const std::string& own_of(const Uppers& uppers) {
  if (uppers.empty()) throw Error(ErrorKind::invalid, "no upper directory");
  return uppers.back();
}

void walk_stack(const Uppers& uppers, UpperVisitor& visitor) {
  std::vector<sys::Fd> files;
  std::vector<int> open;
  for (auto path = uppers.rbegin(); path != uppers.rend(); ++path) {
    open.push_back(files.emplace_back(open_tree(*path)).get());
  }
  walk_uppers(open, visitor);
}

}  // namespace

void write_layer(const table::Table* below, const Uppers& uppers, Sink& out,
                 std::optional<std::int64_t> epoch) {
  const ProfileTimer timer(ProfilePart::walk);
  LayerVisitor visitor(below, own_of(uppers), out, epoch);
  walk_stack(uppers, visitor);
  visitor.finish();
}

std::vector<Change> list_changes(const table::Table* below, const Uppers& uppers) {
  const ProfileTimer timer(ProfilePart::walk);
  ChangeVisitor visitor(below, own_of(uppers));
  walk_stack(uppers, visitor);
  return visitor.finish();
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
