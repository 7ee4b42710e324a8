#include "layer/chain_plan.hpp"

#include <charconv>
#include <sstream>

#include "base/error.hpp"
#include "table/resolve.hpp"

namespace fastlayers::layer {

namespace {

constexpr std::string_view kPlanHead = "fastlayers-chain 1";

template <class Number>
bool read_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end;
}

// One line; false if it is none.
bool take(Plan& plan, const std::string& key, const std::string& value, const LayerStore& layers) {
  if (key == "entries") return read_number(value, plan.entries);
  if (key == "depth") return read_number(value, plan.depth);
  if (key == "root_mode") return read_number(value, plan.root.mode);
  if (key == "root_uid") return read_number(value, plan.root.uid);
  if (key == "root_gid") return read_number(value, plan.root.gid);
  if (value.size() != 64 || value.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return false;
  }
  const digest::Hash256 hash = digest::from_hex(value);
  if (key == "below") {
    plan.below = digest::ChainId{hash};
  } else if (key == "tar") {
    plan.devices.push_back(layers.tar_path(digest::DiffId{hash}));
  } else if (key == "side") {
    plan.devices.push_back(layers.side_path(digest::DiffId{hash}));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Plan read_plan(const std::string& path, const LayerStore& layers) {
  std::istringstream lines(sys::read_file(path, kMaxPlanBytes));
  Plan plan;
  std::string line;
  std::getline(lines, line);
  bool ok = line == kPlanHead;
  while (ok && std::getline(lines, line)) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    words >> key >> value;
    ok = take(plan, key, value, layers);
  }
  if (!ok) {
    throw Error(ErrorKind::corrupt, path + " is damaged; remove its folder, it is made anew");
  }
  return plan;
}

std::string plan_head(const table::Table& table, const Plan& plan) {
  std::string text(kPlanHead);
  text += "\nentries " + std::to_string(plan.entries) + "\ndepth " + std::to_string(plan.depth);
  text += "\nroot_mode " + std::to_string(table[0].mode);
  text += "\nroot_uid " + std::to_string(table[0].uid);
  text += "\nroot_gid " + std::to_string(table[0].gid);
  if (plan.below) text += "\nbelow " + plan.below->hex();
  return text + "\n";
}

std::vector<digest::ChainId> chain_ids(const Stack& stack) {
  std::vector<digest::ChainId> ids;
  ids.reserve(stack.size());
  for (const auto& diff_id : stack) {
    ids.push_back(digest::chain_id(ids.empty() ? nullptr : &ids.back(), diff_id));
  }
  return ids;
}

digest::ChainId id_of(const std::vector<digest::ChainId>& ids, std::size_t count) {
  return count == 0 ? digest::ChainId{} : ids[count - 1];
}

digest::ChainId top_id(const Stack& stack) { return id_of(chain_ids(stack), stack.size()); }

table::Table empty_table() {
  table::TableBuilder builder(table::Order::tar);
  const table::Table none = std::move(builder).finish();
  return table::resolve(nullptr, none);
}

}  // namespace fastlayers::layer
