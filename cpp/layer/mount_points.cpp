#include "layer/mount_points.hpp"

#include <map>
#include <string>

#include "table/layer_tree.hpp"

namespace fastlayers::layer {

namespace {

table::Entry mount_point(table::Kind kind) {
  table::Entry entry;
  entry.kind = kind;
  entry.mode = kind == table::Kind::directory ? 0755 : 0644;
  return entry;
}

}  // namespace

std::optional<table::Table> missing_mount_points(const table::Table& image) {
  table::LayerTree view(&image, nullptr);
  std::map<std::string, table::Entry> missing;
  const auto need = [&](std::string_view parent, std::string_view name, table::Kind kind) {
    const table::NodeId found = view.directory(parent, false);
    const std::string where(found == table::kNoNode ? parent : view.node(found).path());
    const std::string path = where.empty() ? std::string(name) : where + "/" + std::string(name);
    const auto index = image.find(path);
    if (index && image[*index].kind == kind) return;
    missing[path] = mount_point(kind);
    if (found == table::kNoNode) missing[where] = mount_point(table::Kind::directory);
  };
  for (const char* name : {"dev", "proc", "sys"}) need("", name, table::Kind::directory);
  for (const char* name : {"hostname", "hosts", "resolv.conf"}) {
    need("etc", name, table::Kind::file);
  }
  if (missing.empty()) return std::nullopt;
  table::TableBuilder builder(table::Order::path);
  for (const auto& layer : image.layers()) builder.add_layer(layer);
  // The directories on the way keep the image's attributes: this tree lies above it.
  std::map<std::string, bool> wanted{{"", false}};
  for (const auto& [path, entry] : missing) {
    for (std::size_t at = 0; (at = path.find('/', at)) != std::string::npos; ++at) {
      wanted.try_emplace(path.substr(0, at), false);
    }
    wanted[path] = true;
  }
  for (const auto& [path, is_missing] : wanted) {
    if (is_missing) {
      builder.add(missing[path], path, {}, {});
      continue;
    }
    const auto index = image.find(path);
    const table::Entry e = image[index.value()];
    builder.add(e, path, {}, image.encoded_xattrs(e));
  }
  return std::move(builder).finish();
}

}  // namespace fastlayers::layer
