// PaxRecords: what the records of a PAX extended header say (POSIX.1-2017 pax, "pax Extended
// Header"), reduced to the ones that a layer uses. All others are checked and skipped.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/io.hpp"
#include "tar/header.hpp"
#include "tar/reader.hpp"

namespace fastlayers::tar {

struct Timestamp {
  std::int64_t sec = 0;
  std::uint32_t nsec = 0;
};

// One record. A record with an empty value is not the same as none: it also takes away what a
// global header said.
template <class T>
class Record {
 public:
  void set(T value) {
    state_ = State::present;
    value_ = std::move(value);
  }
  void remove() { state_ = State::removed; }
  void clear() { state_ = State::absent; }
  // The value in force, this record being local and `global` what a global header says.
  const T* over(const Record& global) const {
    return state_ == State::absent ? global.get() : get();
  }
  const T* get() const { return state_ == State::present ? &value_ : nullptr; }

 private:
  enum class State : std::uint8_t { absent, removed, present };
  State state_ = State::absent;
  T value_{};
};

using PaxXattrs = std::vector<std::pair<std::string, std::string>>;

struct PaxRecords {
  Record<std::string> path;
  Record<std::string> link_target;
  Record<std::uint64_t> size;
  Record<std::uint64_t> uid;
  Record<std::uint64_t> gid;
  Record<Timestamp> mtime;

  // In the order of the stream; an empty value removes the attribute. See merge_xattrs().
  PaxXattrs xattrs;

  Record<std::string> sparse_name;
  Record<std::string> sparse_major;
  Record<std::string> sparse_minor;
  Record<std::uint64_t> sparse_size;   // GNU.sparse.size (0.0, 0.1) or .realsize (1.0)
  Record<std::string> sparse_map;      // format 0.1
  std::vector<Extent> sparse_extents;  // format 0.0
  bool sparse_offset_pending = false;  // 0.0: an offset without its length so far

  void clear();
};

enum class PaxScope { member, global };

// Applies the records in `body`. In a global header, records that decide what a member is called
// or where it ends are Error(unsupported): readers disagree on them. Malformed records are
// Error(corrupt).
void parse_pax(Bytes body, PaxScope scope, const Limits& limits, PaxRecords& records);

// `global` overlaid with `local`, the last value of each name, without the removed ones, sorted.
void merge_xattrs(const PaxXattrs& global, PaxXattrs& local, PaxXattrs& merged);

}  // namespace fastlayers::tar
