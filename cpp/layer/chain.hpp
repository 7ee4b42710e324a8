// ChainStore: what is derived from a stack of layers, under ROOT/chains/<chain_id hex>/.
//
//   table        the merged table of the stack (path order)
//   delta        the top layer resolved against what is below (path order)
//   plan, index  an EROFS index and the files it needs (see FORMAT.md): of the whole stack, or of
//                its top layer alone over the chain below it, so that a commit does not re-index
//                the image
//   tree         the top layer resolved against what is below, as a directory (overlay backend)
//   init         mount points that a container needs and the image lacks
//
// All can be rebuilt from blobs and layer tables; each appears by rename, complete. Building is
// under an exclusive lock (ROOT/locks/chains); reading needs none. Keyed by chain_id, because what
// a layer means depends on what is below it. A stack of no layers is legal: an empty root.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layer/layer_store.hpp"

namespace fastlayers::layer {

using Stack = std::vector<digest::DiffId>;  // base first

struct Plan;  // chain_plan.hpp

struct ErofsPart {
  std::string index;
  std::vector<std::string> devices;
};

// What the root directory of a stack belongs to; an upper directory over it starts with the same.
struct RootOwner {
  std::uint32_t mode = 0755;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// What is wrong with what is derived from one stack: "table", "delta", "plan", "index",
// "tree", "init".
struct ChainDamage {
  digest::ChainId id;  // all zeros for the stack of no layers
  std::vector<std::string> parts;
};

class ChainStore {
 public:
  explicit ChainStore(std::string root);

  table::Table merged(const Stack& stack) const;
  // Each layer resolved against what is below it, base first; kept from the first time on.
  std::vector<table::Table> deltas(const Stack& stack) const;

  // Base first; built when missing.
  std::vector<ErofsPart> erofs_parts(const Stack& stack) const;
  std::vector<std::string> directories(const Stack& stack) const;
  // One directory with all of it; built when missing.
  std::string whole_directory(const Stack& stack) const;
  // Writes a resolved table, of layers that are here, as a new directory (tree/tree_writer.hpp).
  void write_directory(const table::Table& table, const std::string& path,
                       bool overlay_marks) const;
  // Of a stack that has been built for one backend or the other; reads no table.
  RootOwner root_owner(const Stack& stack) const;
  // The folder with missing mount points; "" when the image has them all.
  std::string init_directory(const Stack& stack) const;
  // Derives everything anew from the layers and compares: for this stack and all that it rests on,
  // those of which something differs (chain_check.cpp). The layers must be right (LayerStore).
  std::vector<ChainDamage> damage(const Stack& stack) const;

 private:
  std::string directory(const digest::ChainId& id) const;
  std::optional<Plan> find_plan(const digest::ChainId& id) const;
  Plan read_plan(const digest::ChainId& id) const;
  void build_erofs(const Stack& stack) const;
  void write_index(const digest::ChainId& id, const table::Table& table, const Plan& plan) const;
  // Writes the index of a table to a new file; returns what its plan says.
  std::string index_into(const std::string& path, const table::Table& table,
                         const Plan& plan) const;
  // Of one chain: the stack of the lowest `count` layers, its merged table, and that of the stack
  // without its top layer (none for the lowest).
  struct Derived {
    std::size_t count;
    table::Table& merged;
    const table::Table* below;
  };
  std::vector<std::string> damaged_parts(const Stack& stack,
                                         const std::vector<digest::ChainId>& ids,
                                         const Derived& derived, const std::string& scratch) const;
  std::optional<Plan> expected_plan(const std::vector<digest::ChainId>& ids,
                                    const Derived& derived) const;
  void build_tree(const Stack& stack, std::size_t depth) const;
  using Rule = table::Table (*)(const table::Table* below, const table::Table& layer,
                                table::TableBuilder out);
  // The layer against what is below it; errors name the layer.
  table::Table combine(Rule rule, const table::Table* below, const digest::DiffId& layer) const;
  table::TableBuilder builder() const;
  table::Table fold(const Stack& stack, std::size_t count, bool save) const;
  std::optional<table::Table> find_table(const digest::ChainId& id, const char* name) const;
  std::string device_path(const table::Table& table, std::uint32_t layer, bool side) const;

  LayerStore layers_;
};

}  // namespace fastlayers::layer
