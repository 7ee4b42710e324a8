#include "table/resolve.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "table/layer_tree.hpp"
#include "table/merge.hpp"
#include "tar/text.hpp"

namespace fastlayers::table {

namespace {

std::string_view directory_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// aufs kept its own bookkeeping at the root of a branch; old images carry it (EDGE-CASES A14).
bool is_aufs_metadata(std::string_view path) {
  constexpr std::array kNames = {".wh..wh.plnk", ".wh..wh.aufs", ".wh..wh.orph"};
  return std::find(kNames.begin(), kNames.end(), path) != kNames.end();
}

class Resolver {
 public:
  Resolver(const Table* below, const Table& layer)
      : below_(below),
        layer_(layer),
        own_layer_(static_cast<std::uint32_t>(below != nullptr ? below->layers().size() : 0)),
        tree_(below, &layer) {
    tree_.reserve(layer.size());
  }

  void run(RecordSink& out) {
    if (below_ != nullptr) {
      for_each(&Resolver::delete_below);
    }
    for_each(&Resolver::place);
    link_deferred();
    emit(out);
  }

 private:
  // Calls `step` for every record, naming the record in whatever it throws.
  void for_each(void (Resolver::*step)(std::uint32_t)) {
    for (std::uint32_t i = 0; i < layer_.size(); ++i) {
      try {
        (this->*step)(i);
      } catch (Error& error) {
        error.add_context("entry " + tar::printable(layer_.path(layer_[i])));
        throw;
      }
      layer_.passed(i);
    }
  }

  // Whiteouts and opaque marks name paths below, whatever else the layer does there.
  void delete_below(std::uint32_t index) {
    const Entry& e = layer_[index];
    if (e.kind != Kind::whiteout && e.kind != Kind::opaque) return;
    const std::string_view path = layer_.path(e);
    if (e.kind == Kind::opaque) {
      const NodeId dir = directory_below(path);
      if (dir != kNoNode && tree_.kind(dir) == Kind::directory) tree_.node(dir).covers = true;
      return;
    }
    const NodeId dir = directory_below(directory_of(path));
    if (dir == kNoNode || tree_.node(dir).covers) return;
    const NodeId victim = tree_.child(dir, name_of(path));
    if (victim != kNoNode) tree_.node(victim).state = NodeState::absent;
  }

  // The directory that `path` names in the table below; kNoNode if none, or if this layer has
  // deleted it already. A whiteout below a deleted or opaque directory has nothing left to do.
  NodeId directory_below(std::string_view path) {
    const std::string resolved = resolve_below(path);
    return resolved == kNowhere ? kNoNode : tree_.materialise(resolved);
  }

  // Follows symlinks in the table below alone, inside the root. One that this layer replaces or
  // deletes is not followed: after `rm s; mkdir s` the opaque mark in s means the new directory,
  // and must not empty the one the old link led to.
  std::string resolve_below(std::string_view path) {
    const auto exact = below_->find(path);
    if (exact && is_directory((*below_)[*exact])) return std::string(path);
    std::vector<std::string_view> pending;
    push_components(pending, path);
    std::string at;
    unsigned links = 0;
    while (!pending.empty()) {
      const std::string_view name = pending.back();
      pending.pop_back();
      if (name == "..") {
        at = directory_of(at);
        continue;
      }
      std::string next = at.empty() ? std::string(name) : at + "/" + std::string(name);
      const auto found = below_->find(next);
      if (!found) return std::string(kNowhere);
      const Entry& e = (*below_)[*found];
      if (e.kind == Kind::symlink) {
        if (++links > kMaxLinks || is_named_here(next)) return std::string(kNowhere);
        const std::string_view target = below_->link(e);
        if (target.starts_with('/')) at.clear();
        push_components(pending, target);
        continue;
      }
      if (!is_directory(e)) return std::string(kNowhere);
      at = std::move(next);
    }
    return at;
  }

  // Whether the layer has an entry for exactly this path, or a whiteout of it.
  bool is_named_here(const std::string& path) {
    if (names_.empty()) {
      for (const Entry& e : layer_.entries()) {
        if (e.kind != Kind::opaque) names_.insert(layer_.path(e));
      }
    }
    return names_.contains(path);
  }

  void place(std::uint32_t index) {
    const Entry& e = layer_[index];
    if (e.kind == Kind::whiteout || e.kind == Kind::opaque) return;
    const std::string_view path = layer_.path(e);
    if (e.kind == Kind::hardlink) {
      if (!link(index, false)) deferred_.push_back(index);
      return;
    }
    if (path.empty()) {
      tree_.set_own(kRootNode, tree_.add_inode(Origin::layer, index), index);
      return;
    }
    const NodeId dir = tree_.directory(directory_of(path), true);
    const NodeId existing = tree_.child(dir, name_of(path));
    const bool merges =
        is_directory(e) && tree_.present(existing) && tree_.kind(existing) == Kind::directory;
    const NodeId target = merges ? existing : tree_.replace(dir, name_of(path), path);
    tree_.set_own(target, tree_.add_inode(Origin::layer, index), index);
  }

  // Adds the name; false when the target is not (yet) an own file of this layer and `lower_too`
  // does not allow a file of a lower layer. tar wants the target first, but images exist where
  // it comes later, even where a lower file of that name is being replaced.
  bool link(std::uint32_t index, bool lower_too) {
    const Entry& e = layer_[index];
    const std::string_view target_path = link_target(e);
    bool via_link = false;
    const NodeId target_dir = tree_.directory(directory_of(target_path), false, &via_link);
    const NodeId target =
        target_dir == kNoNode ? kNoNode : tree_.child(target_dir, name_of(target_path));
    if (!tree_.present(target)) {
      if (via_link) crossed_link_ = true;
      return false;
    }
    if (tree_.kind(target) == Kind::directory) {
      throw Error(ErrorKind::corrupt, "hard link to the directory " + tar::printable(target_path));
    }
    if (tree_.node(target).state == NodeState::lower) {
      if (!lower_too) return false;
      tree_.adopt(target, index);
    }
    const std::uint32_t inode = tree_.node(target).inode;
    const std::string_view path = layer_.path(e);
    const NodeId dir = tree_.directory(directory_of(path), true);
    const NodeId existing = tree_.child(dir, name_of(path));
    if (tree_.present(existing) && tree_.node(existing).state == NodeState::own) {
      const Node& there = tree_.node(existing);
      // The name itself, or a later entry of that name, which wins.
      if (existing == target || (lower_too && there.placed_by > index)) return true;
    }
    tree_.set_own(tree_.replace(dir, name_of(path), path), inode, index);
    return true;
  }

  // Targets are names inside the root, also where they were spelled absolute.
  std::string_view link_target(const Entry& e) const {
    const std::string_view target = layer_.link(e);
    return target.substr(target.starts_with('/') ? 1 : 0);
  }

  void link_deferred() {
    while (!deferred_.empty()) {
      std::vector<std::uint32_t> left;
      crossed_link_ = false;
      for (const std::uint32_t index : deferred_) {
        if (!link(index, true)) left.push_back(index);
      }
      if (left.size() == deferred_.size()) {
        const Entry& e = layer_[left.front()];
        const bool reaches_out = crossed_link_ || layer_.link(e).starts_with('/');
        throw Error(reaches_out ? ErrorKind::traversal : ErrorKind::corrupt,
                    "entry " + tar::printable(layer_.path(e)) + ": hard link to " +
                        tar::printable(layer_.link(e)) + ", which does not exist in the root");
      }
      deferred_.swap(left);
    }
  }

  void emit(RecordSink& out) {
    collect(kRootNode);
    std::uint32_t groups = below_ != nullptr ? below_->link_groups() : 0;
    for (const NodeId id : order_) {
      const Node& n = tree_.node(id);
      if (n.state == NodeState::own && ++tree_.inode(n.inode).names == 2) {
        tree_.inode(n.inode).group = ++groups;
      }
    }
    std::vector<digest::DiffId> layers;
    if (below_ != nullptr) layers.assign(below_->layers().begin(), below_->layers().end());
    layers.insert(layers.end(), layer_.layers().begin(), layer_.layers().end());
    out.begin(layers, groups);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      emit_node(out, tree_.node(order_[i]));
      layer_.passed(i);
    }
    out.end();
  }

  void emit_node(RecordSink& out, const Node& n) {
    if (n.state == NodeState::absent) {
      Entry entry;
      entry.kind = Kind::whiteout;
      entry.layer = own_layer_;
      out.add(entry, n.path(), {}, {});
      return;
    }
    const Table* from = below_;
    Entry entry;
    if (n.state == NodeState::own) {
      const Inode& inode = tree_.inode(n.inode);
      entry = tree_.entry(inode);
      entry.link_group = inode.group;
      if (inode.origin != Origin::below) {
        entry.layer = own_layer_;
        from = &layer_;
      }
    } else {
      entry = (*below_)[n.lower];
    }
    entry.flags = static_cast<std::uint8_t>(entry.flags & ~kOpaque);
    if (n.covers && is_directory(entry) && is_directory((*below_)[n.lower])) {
      entry.flags |= kOpaque;
    }
    out.add(entry, n.path(), from->link(entry), from->encoded_xattrs(entry));
  }

  // Lists the nodes of the delta in path order.
  void collect(NodeId id) {
    const Node n = tree_.node(id);
    if (is_aufs_metadata(n.path())) return;
    if (n.state == NodeState::absent) {
      order_.push_back(id);  // exists below, else the node would not be
      return;
    }
    const std::size_t mark = order_.size();
    order_.push_back(id);
    std::vector<NodeId> children;
    for (NodeId c = n.first_child; c != kNoNode; c = tree_.node(c).next_sibling) {
      if (!tree_.node(c).dead && !hidden_whiteout(n, tree_.node(c))) children.push_back(c);
    }
    std::sort(children.begin(), children.end(),
              [this](NodeId a, NodeId b) { return tree_.node(a).name() < tree_.node(b).name(); });
    for (const NodeId c : children) collect(c);
    const bool changed = n.state == NodeState::own || n.covers || order_.size() > mark + 1;
    if (!changed && id != kRootNode) order_.resize(mark);
  }

  // A node from below that an opaque mark, coming later in the layer, has hidden.
  static bool hidden_whiteout(const Node& directory, const Node& child) {
    return directory.covers && child.state != NodeState::own;
  }

  static constexpr std::string_view kNowhere{"\0", 1};  // no path contains a NUL

  const Table* below_;
  const Table& layer_;
  std::uint32_t own_layer_;
  LayerTree tree_;
  std::unordered_set<std::string_view> names_;  // on demand
  std::vector<std::uint32_t> deferred_;
  std::vector<NodeId> order_;
  bool crossed_link_ = false;
};

// Keeps the delta as it comes.
class DeltaSink final : public RecordSink {
 public:
  explicit DeltaSink(TableBuilder& out) : out_(out) {}

  void begin(std::span<const digest::DiffId> layers, std::uint32_t link_groups) override {
    for (const auto& layer : layers) out_.add_layer(layer);
    out_.set_link_groups(link_groups);
  }
  void add(const Entry& entry, std::string_view path, std::string_view link,
           std::string_view xattrs) override {
    out_.add(entry, path, link, xattrs);
  }

 private:
  TableBuilder& out_;
};

}  // namespace

Table resolve(const Table* below, const Table& layer, TableBuilder out) {
  const ProfileTimer timer(ProfilePart::merge);
  DeltaSink delta(out);
  Resolver(below, layer).run(delta);
  return std::move(out).finish();
}

Table apply(const Table* below, const Table& layer, TableBuilder out) {
  const ProfileTimer timer(ProfilePart::merge);
  Merger merger(below, out);
  Resolver(below, layer).run(merger);
  return std::move(out).finish();
}

}  // namespace fastlayers::table
