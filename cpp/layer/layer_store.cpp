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

StagedLayer LayerStore::stage(table::Table& table, Recorder& recorder) const {
  sys::make_dirs(blobs_.root() + "/layers", 0755);
  StagedLayer staged(sys::unique_name(blobs_.root() + "/layers/.tmp-"));
  sys::make_dirs(staged.path_, 0755);
  table.save(staged.path_ + "/table", false);
  if (recorder.has_side()) sys::link_file(recorder.side(), staged.path_ + "/side");
  return staged;
}

void LayerStore::publish(StagedLayer& staged, const digest::DiffId& id) const {
  if (sys::exists(table_path(id))) return;
  if (!sys::try_rename(staged.path_, directory(id))) {
    if (sys::exists(table_path(id))) return;  // someone else was faster
    sys::remove_tree(directory(id));          // what is left of a folder that lost its table
    if (!sys::try_rename(staged.path_, directory(id))) return;
  }
  staged.path_.clear();
}

StagedLayer::~StagedLayer() {
  if (path_.empty()) return;
  try {
    sys::remove_tree(path_);
  } catch (const Error&) {  // the collector tries again
  }
}

}  // namespace fastlayers::layer
