#include "table/layer_tree.hpp"

#include "base/error.hpp"
#include "tar/text.hpp"

namespace fastlayers::table {

namespace {

constexpr std::uint64_t kArenaLimit = std::uint64_t{1} << 30;

std::size_t hash_of(NodeId parent, std::string_view name) {
  std::uint64_t h = 0x9E3779B97F4A7C15ULL ^ parent;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93ULL;
  return static_cast<std::size_t>(h ^ (h >> 32));
}

}  // namespace

void push_components(std::vector<std::string_view>& stack, std::string_view path) {
  std::size_t end = path.size();
  while (end > 0) {
    const auto slash = path.rfind('/', end - 1);
    const std::size_t start = slash == std::string_view::npos ? 0 : slash + 1;
    const std::string_view part = path.substr(start, end - start);
    if (!part.empty() && part != ".") stack.push_back(part);
    end = start == 0 ? 0 : start - 1;
  }
}

LayerTree::LayerTree(const Table* below, const Table* layer)
    : below_(below), layer_(layer), slots_(1024, kNoNode) {
  implied_.kind = Kind::directory;
  implied_.mode = 0755;
  implied_.flags = kImplied;
  Node root;
  root.lower = below != nullptr ? 0 : kNoParent;
  nodes_.push_back(root);
  if (below == nullptr) set_own(kRootNode, add_inode(Origin::implied, 0), 0);
}

const Entry& LayerTree::entry(const Inode& inode) const {
  if (inode.origin == Origin::implied) return implied_;
  return (inode.origin == Origin::layer ? *layer_ : *below_)[inode.record];
}

Kind LayerTree::kind(NodeId id) const {
  const Node& n = nodes_[id];
  return n.state == NodeState::own ? entry(inodes_[n.inode]).kind : (*below_)[n.lower].kind;
}

std::string_view LayerTree::link_target(NodeId id) const {
  const Node& n = nodes_[id];
  if (n.state != NodeState::own) return below_->link((*below_)[n.lower]);
  const Inode& inode = inodes_[n.inode];
  return (inode.origin == Origin::layer ? layer_ : below_)->link(entry(inode));
}

std::string_view LayerTree::keep(std::string_view parent_path, std::string_view name) {
  arena_bytes_ += parent_path.size() + name.size() + 1;
  if (arena_bytes_ > kArenaLimit) {
    throw Error(ErrorKind::limit, "the paths of the layer take more than 1 GiB");
  }
  std::string& path = arena_.emplace_back();
  path.reserve(parent_path.size() + name.size() + 1);
  path.append(parent_path);
  if (!path.empty()) path.push_back('/');
  path.append(name);
  return path;
}

NodeId* LayerTree::slot(NodeId parent, std::string_view name) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash_of(parent, name) & mask;; at = (at + 1) & mask) {
    const NodeId id = slots_[at];
    if (id == kNoNode) return &slots_[at];
    const Node& n = nodes_[id];
    if (n.parent == parent && n.name() == name) return &slots_[at];
  }
}

void LayerTree::grow() {
  std::vector<NodeId> old(slots_.size() * 2, kNoNode);
  old.swap(slots_);
  for (const NodeId id : old) {
    if (id == kNoNode) continue;
    const Node& n = nodes_[id];
    *slot(n.parent, n.name()) = id;
  }
}

NodeId LayerTree::add_node(NodeId parent, std::string_view path, std::uint32_t name_offset) {
  if ((used_ + 1) * 2 > slots_.size()) grow();
  const auto id = static_cast<NodeId>(nodes_.size());
  NodeId* place = slot(parent, path.substr(name_offset));
  if (*place == kNoNode) ++used_;
  *place = id;
  Node n;
  n.parent = parent;
  n.path_start = path.data();
  n.path_length = static_cast<std::uint32_t>(path.size());
  n.name_offset = name_offset;
  n.next_sibling = nodes_[parent].first_child;
  nodes_.push_back(n);
  nodes_[parent].first_child = id;
  return id;
}

NodeId LayerTree::child(NodeId directory, std::string_view name) {
  const Node& dir = nodes_[directory];
  const NodeId known = *slot(directory, name);
  // In a directory that covers, only what this layer put there counts.
  if (known != kNoNode && (!dir.covers || nodes_[known].state == NodeState::own)) return known;
  if (below_ == nullptr || dir.covers || dir.lower == kNoParent) return kNoNode;
  std::string wanted(dir.path());
  if (!wanted.empty()) wanted.push_back('/');
  wanted.append(name);
  const auto found = below_->find(wanted);
  if (!found) return kNoNode;
  const Entry& e = (*below_)[*found];
  const NodeId id = add_node(directory, below_->path(e), e.name_offset);
  nodes_[id].lower = static_cast<std::uint32_t>(*found);
  return id;
}

void LayerTree::reserve(std::size_t entries) {
  nodes_.reserve(nodes_.size() + entries);
  inodes_.reserve(inodes_.size() + entries);
}

NodeId LayerTree::replace(NodeId parent, std::string_view name, std::string_view spelled) {
  const NodeId old = child(parent, name);
  std::uint32_t lower = kNoParent;
  std::string_view path;
  std::uint32_t name_offset = 0;
  if (old != kNoNode) {
    lower = nodes_[old].lower;
    path = nodes_[old].path();
    name_offset = nodes_[old].name_offset;
    nodes_[old].dead = true;
    last_node_ = kNoNode;
  } else {
    const std::string_view above = nodes_[parent].path();
    const std::size_t directory = above.empty() ? 0 : above.size() + 1;
    const bool same = spelled.size() == directory + name.size() && spelled.starts_with(above) &&
                      (above.empty() || spelled[above.size()] == '/') && spelled.ends_with(name);
    path = same ? spelled : keep(above, name);
    name_offset = static_cast<std::uint32_t>(path.size() - name.size());
  }
  const NodeId id = add_node(parent, path, name_offset);
  nodes_[id].lower = lower;
  nodes_[id].covers = lower != kNoParent;
  return id;
}

std::uint32_t LayerTree::add_inode(Origin origin, std::uint32_t record) {
  Inode inode;
  inode.origin = origin;
  inode.record = record;
  inodes_.push_back(inode);
  return static_cast<std::uint32_t>(inodes_.size() - 1);
}

void LayerTree::set_own(NodeId id, std::uint32_t inode, std::uint32_t placed_by) {
  nodes_[id].state = NodeState::own;
  nodes_[id].inode = inode;
  nodes_[id].placed_by = placed_by;
}

NodeId LayerTree::make_implied(NodeId parent, std::string_view name) {
  // Names of entries have been judged; this one may come from a symlink's target.
  if (name.size() > kMaxNameBytes) {
    throw Error(ErrorKind::unsupported, "a symbolic link leads to a name of " +
                                            std::to_string(name.size()) +
                                            " bytes; file systems allow 255");
  }
  const NodeId id = replace(parent, name);
  set_own(id, add_inode(Origin::implied, 0), 0);
  return id;
}

NodeId LayerTree::directory(std::string_view path, bool create, bool* via_link) {
  if (last_node_ != kNoNode && path == last_path_) return last_node_;
  std::vector<std::string_view> pending;
  push_components(pending, path);
  NodeId at = kRootNode;
  unsigned links = 0;
  while (!pending.empty()) {
    const std::string_view name = pending.back();
    pending.pop_back();
    if (name == "..") {
      if (at != kRootNode) at = nodes_[at].parent;
      continue;
    }
    NodeId next = child(at, name);
    if (!present(next)) {
      if (!create) return kNoNode;
      next = make_implied(at, name);
    }
    const Kind what = kind(next);
    if (what == Kind::symlink) {
      if (++links > kMaxLinks) {
        throw Error(ErrorKind::corrupt, "too many levels of symbolic links");
      }
      if (via_link != nullptr) *via_link = true;
      const std::string_view target = link_target(next);
      if (target.starts_with('/')) at = kRootNode;
      push_components(pending, target);
      continue;
    }
    if (what != Kind::directory) {
      if (!create) return kNoNode;
      if (nodes_[next].state == NodeState::own) {
        throw Error(ErrorKind::corrupt,
                    tar::printable(nodes_[next].path()) + " of the same layer is not a directory");
      }
      next = make_implied(at, name);
    }
    at = next;
  }
  if (links == 0) {
    last_path_ = path;
    last_node_ = at;
  }
  return at;
}

NodeId LayerTree::materialise(std::string_view lower_path) {
  NodeId at = kRootNode;
  std::size_t start = 0;
  while (start < lower_path.size()) {
    const std::size_t end = std::min(lower_path.find('/', start), lower_path.size());
    at = child(at, lower_path.substr(start, end - start));
    if (!present(at)) return kNoNode;
    start = end + 1;
  }
  return at;
}

void LayerTree::adopt(NodeId id, std::uint32_t placed_by) {
  const Entry& entry = (*below_)[nodes_[id].lower];
  const std::uint32_t inode = add_inode(Origin::below, nodes_[id].lower);
  if (entry.link_group == 0) {
    set_own(id, inode, placed_by);
    return;
  }
  if (groups_.empty()) {
    for (std::uint32_t i = 0; i < below_->size(); ++i) {
      if ((*below_)[i].link_group != 0) groups_[(*below_)[i].link_group].push_back(i);
    }
  }
  for (const std::uint32_t other : groups_.at(entry.link_group)) {
    const NodeId name = materialise(below_->path((*below_)[other]));
    if (name != kNoNode && nodes_[name].state == NodeState::lower) {
      set_own(name, inode, placed_by);
    }
  }
}

}  // namespace fastlayers::table
