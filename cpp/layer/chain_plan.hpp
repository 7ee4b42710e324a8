// Plan: how the index of a chain is mounted, and over what (FORMAT.md, "plan"); and the names of
// chains.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layer/chain.hpp"

namespace fastlayers::layer {

inline constexpr std::uint64_t kMaxPlanBytes = 16 << 20;

struct Plan {
  std::uint64_t entries = 0;  // of the full index at the bottom
  unsigned depth = 0;         // deltas above it
  RootOwner root;
  std::optional<digest::ChainId> below;
  std::vector<std::string> devices;  // paths
};

// Error(corrupt) if it is no plan.
Plan read_plan(const std::string& path, const LayerStore& layers);
// All lines but those of the devices, for the index of `table`.
std::string plan_head(const table::Table& table, const Plan& plan);

// The chain_id of each stack of the lowest 1, 2, ... layers.
std::vector<digest::ChainId> chain_ids(const Stack& stack);
// Of these, that of the lowest `count` layers; all zeros for the stack of no layers.
digest::ChainId id_of(const std::vector<digest::ChainId>& ids, std::size_t count);
// The chain_id of a whole stack.
digest::ChainId top_id(const Stack& stack);

// The merged table of the stack of no layers: a root directory.
table::Table empty_table();

}  // namespace fastlayers::layer
