#include "layer/chain.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "erofs/index.hpp"
#include "layer/chain_plan.hpp"
#include "layer/mount_points.hpp"
#include "sys/mount_api.hpp"
#include "sys/probe.hpp"
#include "table/resolve.hpp"
#include "tree/tree_writer.hpp"

namespace fastlayers::layer {

namespace {

// Deltas over one full index before they are merged into a new one: every one of them is a lower
// that the kernel searches.
constexpr unsigned kMaxDepth = 8;
// A layer is indexed alone if the stack below has this many times its entries.
constexpr std::uint64_t kDeltaRatio = 4;

// Two things overlayfs cannot be told: that the root of a lower is opaque (it does not look there),
// and that a character device 0:0 is one, not a whiteout.
bool can_be_stacked(const table::Table& delta) {
  if ((delta[0].flags & table::kOpaque) != 0) return false;
  const auto is_no_device = [](const table::Entry& e) {
    return e.kind == table::Kind::character && e.dev_major == 0 && e.dev_minor == 0;
  };
  return std::none_of(delta.entries().begin(), delta.entries().end(), is_no_device);
}

}  // namespace

ChainStore::ChainStore(std::string root) : layers_(std::move(root)) {}

std::string ChainStore::directory(const digest::ChainId& id) const {
  return layers_.blobs().root() + "/chains/" + id.hex();
}

// One that is damaged, or without its index, is none: it is derived, and made anew.
std::optional<Plan> ChainStore::find_plan(const digest::ChainId& id) const {
  const std::string path = directory(id) + "/plan";
  if (!sys::exists(path) || !sys::exists(directory(id) + "/index")) return std::nullopt;
  try {
    return read_plan(id);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    sys::unlink(path);
    return std::nullopt;
  }
}

std::string ChainStore::device_path(const table::Table& table, std::uint32_t layer,
                                    bool side) const {
  const digest::DiffId& id = table.layers()[layer];
  return side ? layers_.side_path(id) : layers_.tar_path(id);
}

// Large tables are built in files, so that memory does not grow with the image.
table::TableBuilder ChainStore::builder() const {
  return table::TableBuilder(table::Order::path, layers_.blobs().directory());
}

table::Table ChainStore::combine(Rule rule, const table::Table* below,
                                 const digest::DiffId& layer) const {
  const table::Table entries = layers_.table(layer);
  try {
    return rule(below, entries, builder());
  } catch (Error& error) {
    error.add_context("layer " + layer.str());
    throw;
  }
}

// One that is damaged is none: it is derived, and made anew from the layers.
std::optional<table::Table> ChainStore::find_table(const digest::ChainId& id,
                                                   const char* name) const {
  const std::string path = directory(id) + "/" + name;
  if (!sys::exists(path)) return std::nullopt;
  try {
    return table::Table::open(path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
    sys::unlink(path);
    return std::nullopt;
  }
}

table::Table ChainStore::fold(const Stack& stack, std::size_t count, bool save) const {
  const auto ids = chain_ids(stack);
  std::optional<table::Table> below;
  std::size_t done = count;
  for (; done > 0; --done) {
    if ((below = find_table(ids[done - 1], "table"))) break;
  }
  const bool changed = done < count;
  for (; done < count; ++done) {
    below = combine(table::apply, below ? &*below : nullptr, stack[done]);
  }
  if (!below) return empty_table();
  if (changed && save) {
    sys::make_dirs(directory(ids[count - 1]), 0755);
    below->save(directory(ids[count - 1]) + "/table");
  }
  return std::move(*below);
}

std::vector<table::Table> ChainStore::deltas(const Stack& stack) const {
  const auto ids = chain_ids(stack);
  std::vector<table::Table> found;
  found.reserve(stack.size());
  std::optional<table::Table> below;  // of the first `merged` layers
  std::size_t merged = 0;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    auto delta = find_table(ids[i], "delta");
    if (!delta) {
      for (; merged < i; ++merged) {
        below = table::merge(below ? &*below : nullptr, found[merged], builder());
      }
      delta = combine(table::resolve, below ? &*below : nullptr, stack[i]);
      // Not synced: one that a power failure damaged is none.
      sys::make_dirs(directory(ids[i]), 0755);
      delta->save(directory(ids[i]) + "/delta", false);
    }
    found.push_back(std::move(*delta));
  }
  return found;
}

table::Table ChainStore::merged(const Stack& stack) const {
  const auto plan = find_plan(top_id(stack));
  // A chain that is a small delta is folded each time: keeping a table of the whole image for
  // every commit would cost far more disk than the commit.
  const bool save = !plan || plan->depth == 0;
  return fold(stack, stack.size(), save);
}

Plan ChainStore::read_plan(const digest::ChainId& id) const {
  return layer::read_plan(directory(id) + "/plan", layers_);
}

std::string ChainStore::index_into(const std::string& path, const table::Table& table,
                                   const Plan& plan) const {
  std::map<std::pair<std::uint32_t, bool>, std::uint64_t> sizes;
  const auto size_of = [&](std::uint32_t layer, bool side) {
    const auto [at, is_new] = sizes.try_emplace({layer, side}, 0);
    if (is_new) {
      at->second = sys::file_size(sys::open(device_path(table, layer, side), O_RDONLY).get());
    }
    return at->second;
  };
  const erofs::IndexInfo info = erofs::write_index(table, size_of, path);
  std::string text = plan_head(table, plan);
  for (const erofs::Device& device : info.devices) {
    text += device.side ? "side " : "tar ";
    text += table.layers()[device.layer].hex() + "\n";
  }
  return text;
}

void ChainStore::write_index(const digest::ChainId& id, const table::Table& table,
                             const Plan& plan) const {
  sys::make_dirs(directory(id), 0755);
  const std::string index = directory(id) + "/index";
  const std::string temporary = sys::unique_name(index + ".tmp-");
  try {
    const std::string text = index_into(temporary, table, plan);
    sys::sync_file(sys::open(temporary, O_RDONLY).get());
    sys::rename(temporary, index);
    sys::write_file_atomic(directory(id) + "/plan", as_bytes(text));
  } catch (...) {
    sys::unlink(temporary);
    throw;
  }
}

void ChainStore::build_erofs(const Stack& stack) const {
  const auto ids = chain_ids(stack);
  const digest::ChainId id = id_of(ids, stack.size());
  sys::make_dirs(layers_.blobs().root() + "/locks", 0755);
  const sys::FileLock lock(layers_.blobs().root() + "/locks/chains",
                           sys::FileLock::Mode::exclusive);
  if (find_plan(id)) return;
  std::size_t known = stack.empty() ? 0 : stack.size() - 1;
  std::optional<Plan> found;
  while (known > 0 && !(found = find_plan(ids[known - 1]))) --known;
  Plan plan = found.value_or(Plan{});
  bool as_delta = known > 0 && plan.depth + (stack.size() - known) <= kMaxDepth;
  for (std::size_t i = known; as_delta && i < stack.size(); ++i) {
    const auto info = layers_.info(stack[i]);
    as_delta =
        info && (info->entries * kDeltaRatio <= plan.entries ||
                 sys::is_forbidden("erofs-merge"));  // for tests: a delta wherever one can be
  }
  if (as_delta) {
    table::Table below = fold(stack, known, plan.depth == 0);
    for (std::size_t i = known; as_delta && i < stack.size(); ++i) {
      const table::Table delta = combine(table::resolve, &below, stack[i]);
      as_delta = can_be_stacked(delta);
      if (!as_delta) break;
      plan.below = ids[i - 1];
      ++plan.depth;
      write_index(ids[i], delta, plan);
      if (i + 1 < stack.size()) below = table::merge(&below, delta, builder());
    }
    if (as_delta) return;
  }
  const table::Table all = fold(stack, stack.size(), true);
  Plan full;
  full.entries = all.size();
  write_index(id, all, full);
}

std::vector<ErofsPart> ChainStore::erofs_parts(const Stack& stack) const {
  const auto ids = chain_ids(stack);
  std::vector<ErofsPart> parts;
  for (std::size_t count = stack.size();; --count) {
    const digest::ChainId id = id_of(ids, count);
    auto plan = find_plan(id);
    if (!plan) {
      build_erofs(Stack(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(count)));
      plan = read_plan(id);
    }
    parts.insert(parts.begin(), ErofsPart{directory(id) + "/index", std::move(plan->devices)});
    if (!plan->below) return parts;
    // A delta lies over the stack without its top layer.
    if (count < 2 || *plan->below != ids[count - 2]) {
      throw Error(ErrorKind::corrupt, "the chain " + id.str() + " is damaged: it lies over " +
                                          plan->below->str() +
                                          "; fastlayers fsck --repair mends it");
    }
  }
}

RootOwner ChainStore::root_owner(const Stack& stack) const {
  const digest::ChainId id = top_id(stack);
  if (const auto plan = find_plan(id)) return plan->root;
  const auto tree = sys::try_open(directory(id) + "/tree", O_RDONLY | O_DIRECTORY);
  if (!tree) {
    const table::Table table = merged(stack);
    return {table[0].mode, table[0].uid, table[0].gid};
  }
  const struct stat status = sys::stat_fd(tree->get());
  return {status.st_mode & 07777, status.st_uid, status.st_gid};
}

void ChainStore::build_tree(const Stack& stack, std::size_t depth) const {
  const auto ids = chain_ids(stack);
  const std::string target = directory(ids[depth - 1]) + "/tree";
  sys::make_dirs(layers_.blobs().root() + "/locks", 0755);
  const sys::FileLock lock(layers_.blobs().root() + "/locks/chains",
                           sys::FileLock::Mode::exclusive);
  if (sys::exists(target)) return;
  std::optional<table::Table> below;
  if (depth > 1) below = fold(stack, depth - 1, true);
  const table::Table delta = combine(table::resolve, below ? &*below : nullptr, stack[depth - 1]);
  sys::make_dirs(directory(ids[depth - 1]), 0755);
  const std::string temporary = sys::unique_name(target + ".tmp-");
  try {
    write_directory(delta, temporary, true);
    sys::sync_file_system(sys::open(temporary, O_RDONLY | O_DIRECTORY).get());
    sys::rename(temporary, target);
  } catch (Error& error) {
    sys::remove_tree(temporary);
    error.add_context("layer " + stack[depth - 1].str());
    throw;
  }
}

void ChainStore::write_directory(const table::Table& table, const std::string& path,
                                 bool overlay_marks) const {
  sys::make_dirs(path, 0700);
  const sys::Fd root = sys::open(path, O_RDONLY | O_DIRECTORY);
  // All descriptors are opened before the threads start, so that the map is only read by them.
  std::map<std::pair<std::uint32_t, bool>, sys::Fd> files;
  for (const table::Entry& e : table.entries()) {
    if (e.kind != table::Kind::file || e.size == 0) continue;
    const bool side = (e.flags & table::kSide) != 0;
    auto& file = files[{e.layer, side}];
    if (!file) file = sys::open(device_path(table, e.layer, side), O_RDONLY);
  }
  tree::WriteOptions options;
  options.overlay_marks = overlay_marks;
  const auto data = [&files](std::uint32_t layer, bool side) {
    return files.at({layer, side}).get();
  };
  tree::write_tree(table, root.get(), data, options);
}

std::string ChainStore::whole_directory(const Stack& stack) const {
  const std::string chain = directory(top_id(stack));
  const std::string target = chain + "/whole";
  if (sys::exists(target)) return target;
  const table::Table table = merged(stack);
  sys::make_dirs(chain, 0755);
  const std::string temporary = sys::unique_name(target + ".tmp-");
  try {
    write_directory(table, temporary, false);
    sys::sync_file_system(sys::open(temporary, O_RDONLY | O_DIRECTORY).get());
    if (!sys::try_rename(temporary, target)) sys::remove_tree(temporary);
  } catch (const Error&) {
    sys::remove_tree(temporary);
    throw;
  }
  return target;
}

std::vector<std::string> ChainStore::directories(const Stack& stack) const {
  const auto ids = chain_ids(stack);
  std::vector<std::string> result;
  for (std::size_t depth = 1; depth <= stack.size(); ++depth) {
    const std::string path = directory(ids[depth - 1]) + "/tree";
    if (!sys::exists(path)) build_tree(stack, depth);
    // An opaque root hides all layers below; overlayfs would not look, so they are left out.
    const sys::Fd tree = sys::open(path, O_RDONLY | O_DIRECTORY);
    if (sys::get_xattr(tree.get(), sys::opaque_attribute())) result.clear();
    result.push_back(path);
  }
  if (result.empty()) {
    const std::string path = directory(digest::ChainId{}) + "/tree";
    sys::make_dirs(path, 0755);
    result.push_back(path);
  }
  return result;
}

std::string ChainStore::init_directory(const Stack& stack) const {
  std::string target = directory(top_id(stack)) + "/init";
  // An empty file instead of a folder: the image has all mount points.
  if (sys::exists(target)) return sys::is_directory(target) ? target : std::string();
  const auto missing = missing_mount_points(merged(stack));
  sys::make_dirs(directory(top_id(stack)), 0755);
  if (!missing) {
    sys::write_file_atomic(target, {});
    return {};
  }
  const std::string temporary = sys::unique_name(target + ".tmp-");
  sys::make_dirs(temporary, 0755);
  const sys::Fd root = sys::open(temporary, O_RDONLY | O_DIRECTORY);
  tree::write_tree(*missing, root.get(), [](std::uint32_t, bool) { return -1; }, {});
  if (!sys::try_rename(temporary, target)) sys::remove_tree(temporary);
  return target;
}

}  // namespace fastlayers::layer
