// XattrTable: the extended attributes of all inodes, as EROFS lays them out.
//
// Equal sets of attributes are encoded once. Attributes that several inodes carry, and long
// ones, go to the shared area and are referred to by number; the rest stands behind its inode.
// Use: add() for every inode in a fixed order, then finish(), then body() and shared().
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "table/table.hpp"

namespace fastlayers::erofs {

class XattrTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // The set that `entry` carries (kNone: no attributes). Opaque directories get
  // trusted.overlay.opaque. Throws Error naming the entry.
  std::uint32_t add(const table::Table& table, const table::Entry& entry);
  void finish();

  // What stands directly behind an inode with this set; empty for kNone.
  std::string_view body(std::uint32_t set) const;
  std::string_view shared() const { return shared_; }
  // Attributes left out because Linux file systems have no namespace for their names.
  std::uint64_t left_out() const { return left_out_; }

 private:
  struct Attribute {
    std::string encoded;  // entry, name, value, padded to 4
    std::uint64_t uses = 0;
    std::uint32_t number = kNone;  // in the shared area
  };
  struct Set {
    std::vector<std::uint32_t> attributes;
    std::string body;
    std::uint64_t uses = 0;
    std::uint64_t left_out = 0;
    std::string first_path;  // for messages
  };
  struct Key {
    std::string_view encoded;
    bool opaque;
    bool user_too;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.encoded) ^ std::size_t{key.opaque};
    }
  };

  void append(Set& set, std::string_view name, std::string_view value);
  std::uint32_t intern(std::string encoded);
  void build_body(Set& set);

  std::unordered_map<Key, std::uint32_t, KeyHash> set_numbers_;
  std::unordered_map<std::string, std::uint32_t> attribute_numbers_;
  std::vector<Set> sets_;
  std::vector<Attribute> attributes_;
  std::string shared_;
  std::uint64_t left_out_ = 0;
};

}  // namespace fastlayers::erofs
