#include "layer/layer_store.hpp"

#include "base/error.hpp"

namespace fastlayers::layer {

std::string LayerStore::directory(const digest::DiffId& id) const {
  return blobs_.root() + "/layers/" + id.hex();
}

std::optional<LayerInfo> LayerStore::info(const digest::DiffId& id) const {
  if (!blobs_.has(id.hash) || !sys::exists(table_path(id))) return std::nullopt;
  const table::Totals totals = table::Table::read_totals(table_path(id));
  LayerInfo info;
  info.digest.hash = id.hash;
  info.size = totals.stream_bytes;
  info.diff_id = id;
  info.tar_size = totals.stream_bytes;
  info.entries = totals.entries;
  info.content_size = totals.content_bytes;
  return info;
}

table::Table LayerStore::table(const digest::DiffId& id) const {
  if (!sys::exists(table_path(id))) {
    throw Error(ErrorKind::not_found,
                "layer " + id.str() + " is not in the store; pull or load its image again");
  }
  return table::Table::open(table_path(id));
}

void LayerStore::publish(table::Table& table, Recorder& recorder, const digest::DiffId& id) const {
  const std::string target = directory(id);
  if (sys::exists(target + "/table")) return;
  sys::make_dirs(blobs_.root() + "/layers", 0755);
  const std::string temporary = sys::unique_name(blobs_.root() + "/layers/.tmp-");
  try {
    sys::make_dirs(temporary, 0755);
    table.save(temporary + "/table");
    if (recorder.has_side()) sys::link_file(recorder.side(), temporary + "/side");
    if (!sys::try_rename(temporary, target)) sys::remove_tree(temporary);
  } catch (...) {
    sys::remove_tree(temporary);
    throw;
  }
}

}  // namespace fastlayers::layer
