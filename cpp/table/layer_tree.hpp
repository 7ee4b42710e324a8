// LayerTree: the state of a root while one layer is being applied to a stack.
//
// Nodes exist only for paths that the layer touches; everything else shows through from the
// table below. A node is `lower` (as below), `own` (this layer's) or `absent` (deleted). Used by
// resolve() only; not thread-safe.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "table/table.hpp"

namespace fastlayers::table {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xffffffff;
inline constexpr NodeId kRootNode = 0;

enum class NodeState : std::uint8_t { lower, own, absent };

// Where the attributes of an inode are written down.
enum class Origin : std::uint8_t { layer, below, implied };

// What a name refers to; several nodes share one when they are hard links.
struct Inode {
  std::uint32_t record = 0;  // in the table of its origin
  std::uint32_t names = 0;   // counted when the delta is written
  std::uint32_t group = 0;
  Origin origin = Origin::implied;
};

// There is one for every entry of a layer, so they are kept small.
struct Node {
  std::string_view path() const { return {path_start, path_length}; }
  std::string_view name() const { return path().substr(name_offset); }

  NodeId parent = kNoNode;
  NodeId first_child = kNoNode;
  NodeId next_sibling = kNoNode;
  std::uint32_t lower = kNoParent;  // record below at this path, before this layer
  std::uint32_t inode = kNoParent;  // own: index into inodes()
  std::uint32_t placed_by = 0;      // own: the layer's record that put it here
  std::uint32_t path_length = 0;
  std::uint32_t name_offset = 0;
  const char* path_start = nullptr;
  NodeState state = NodeState::lower;
  bool covers = false;  // children of `lower` do not show through
  bool dead = false;    // replaced by another node
};

// Pushes the components of `path`, without empty ones and ".", so that the first is on top.
void push_components(std::vector<std::string_view>& stack, std::string_view path);

inline constexpr unsigned kMaxLinks = 40;  // crossed on one path, as the kernel's MAXSYMLINKS

class LayerTree {
 public:
  // Of `layer` over `below`; either may be missing. Both must outlive the tree.
  LayerTree(const Table* below, const Table* layer);

  const Table* below() const { return below_; }
  Node& node(NodeId id) { return nodes_[id]; }
  Inode& inode(std::uint32_t index) { return inodes_[index]; }
  std::size_t inode_count() const { return inodes_.size(); }

  // The attributes of an inode; `layer` and `link_group` are those of its origin.
  const Entry& entry(const Inode& inode) const;
  Kind kind(NodeId id) const;
  bool present(NodeId id) const { return id != kNoNode && nodes_[id].state != NodeState::absent; }

  // The node of `name` in the directory, kNoNode when nothing was ever there. May be absent.
  NodeId child(NodeId directory, std::string_view name);

  // Follows `path` to a directory, symlinks resolved inside the root against the state so far.
  // With `create`, missing directories are made (implied) and files of lower layers in the way
  // replaced; without, kNoNode when there is no such directory. `via_link` is set when a symlink
  // was crossed.
  NodeId directory(std::string_view path, bool create, bool* via_link = nullptr);

  void reserve(std::size_t entries);

  // A new node for `name`, hiding what was there. `spelled` is a lasting copy of the whole path,
  // used instead of a new one where it is just that path.
  NodeId replace(NodeId parent, std::string_view name, std::string_view spelled = {});
  std::uint32_t add_inode(Origin origin, std::uint32_t record);
  void set_own(NodeId id, std::uint32_t inode, std::uint32_t placed_by);

  // Makes a lower file this layer's own, with all visible names of its inode.
  void adopt(NodeId id, std::uint32_t placed_by);

  // The node at a path that exists below exactly so; kNoNode if an ancestor is gone.
  NodeId materialise(std::string_view lower_path);

 private:
  NodeId add_node(NodeId parent, std::string_view path, std::uint32_t name_offset);
  NodeId* slot(NodeId parent, std::string_view name);
  void grow();
  std::string_view keep(std::string_view parent_path, std::string_view name);
  NodeId make_implied(NodeId parent, std::string_view name);
  std::string_view link_target(NodeId id) const;

  const Table* below_;
  const Table* layer_;
  Entry implied_;  // a directory that no layer has an entry for
  std::vector<Node> nodes_;
  std::vector<Inode> inodes_;
  std::vector<NodeId> slots_;  // open addressing over (parent, name)
  std::size_t used_ = 0;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> groups_;  // of below; on demand
  std::deque<std::string> arena_;
  std::uint64_t arena_bytes_ = 0;
  std::string last_path_;  // the directory found last, and its node
  NodeId last_node_ = kNoNode;
};

}  // namespace fastlayers::table
