// Sample: a small resolved table and the layer file its data lies in, for tests.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "table/table.hpp"

namespace fastlayers::erofs {

class Sample {
 public:
  using Xattrs = std::vector<std::pair<std::string, std::string>>;

  struct Item {
    table::Entry entry;
    std::string path;
    std::string link;
    Xattrs xattrs;
  };

  Sample() { add("", table::Kind::directory); }

  // The reference is good until the next call.
  Item& add(const std::string& path, table::Kind kind, const std::string& link = "") {
    Item& item = items_.emplace_back();
    item.path = path;
    item.link = link;
    item.entry.kind = kind;
    item.entry.mode = kind == table::Kind::directory ? 0755 : 0644;
    item.entry.mtime_sec = 1700000000;
    return item;
  }
  Item& directory(const std::string& path) { return add(path, table::Kind::directory); }
  Item& file(const std::string& path, const std::string& contents) {
    Item& item = add(path, table::Kind::file);
    item.entry.size = contents.size();
    item.entry.data_offset = tar_.size();
    tar_ += contents;
    tar_.resize((tar_.size() + 511) / 512 * 512);
    return item;
  }
  Item& symlink(const std::string& path, const std::string& target) {
    return add(path, table::Kind::symlink, target);
  }
  Item& whiteout(const std::string& path) { return add(path, table::Kind::whiteout); }

  const std::string& tar() const { return tar_; }
  std::vector<Item>& items() { return items_; }
  void keep_order() { sorted_ = false; }

  table::Table table(std::uint32_t link_groups = 0, std::uint32_t layers = 1) const {
    std::vector<Item> items = items_;
    if (sorted_) {
      std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
        return table::compare_paths(a.path, b.path) < 0;
      });
    }
    table::TableBuilder builder(table::Order::path);
    for (std::uint32_t i = 0; i < layers; ++i) {
      digest::DiffId layer;
      layer.hash[0] = static_cast<std::uint8_t>(i + 1);
      builder.add_layer(layer);
    }
    builder.set_link_groups(link_groups);
    for (const Item& item : items) {
      builder.add(item.entry, item.path, item.link, table::encode_xattrs(item.xattrs));
    }
    return std::move(builder).finish();
  }

 private:
  std::vector<Item> items_;
  std::string tar_ = std::string(512, 'h');
  bool sorted_ = true;
};

}  // namespace fastlayers::erofs
