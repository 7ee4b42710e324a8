// Table: the file table, the single currency between the parts. Immutable once built.
//
// Two orders exist. A *layer table* lists a layer's members in tar order with paths only
// lexically normalised; it may hold hardlink and opaque entries. A *resolved table* (a merged
// stack, or one layer resolved against what is below it) is in path order: depth first, names
// compared as bytes, so that a directory is directly followed by everything under it. Its
// record 0 is the root (path ""), every parent has a record, names of one inode share a
// link_group and carry identical attributes and data.
//
// A Table either owns its memory or maps a file; both are read-only and safe to share between
// threads. It is movable, not copyable.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/io.hpp"
#include "digest/sha256.hpp"
#include "sys/file.hpp"
#include "table/entry.hpp"

namespace fastlayers::table {

enum class Order : std::uint32_t { tar = 0, path = 1 };

// What the header of a table file says of a layer (of a merged table: entries only).
struct Totals {
  std::uint64_t entries = 0;
  std::uint64_t stream_bytes = 0;   // of the layer's uncompressed tar
  std::uint64_t content_bytes = 0;  // of all its regular files: what docker calls SIZE
};

using Xattrs = std::vector<std::pair<std::string_view, std::string_view>>;

class Table {
 public:
  // Maps and checks a table file; anything out of bounds is Error(corrupt).
  static Table open(const std::string& path);
  // By link, so that it appears complete, and if `sync` not before it is on the disk. A table that
  // was built in a folder must be saved on the same file system.
  void save(const std::string& path, bool sync = true);

  // Reads the header alone.
  static Totals read_totals(const std::string& path);

  Order order() const { return order_; }
  std::span<const Entry> entries() const { return entries_; }
  const Entry& operator[](std::size_t index) const { return entries_[index]; }
  std::size_t size() const { return entries_.size(); }
  std::span<const digest::DiffId> layers() const { return layers_; }
  std::uint32_t link_groups() const { return link_groups_; }
  Bytes heap() const { return heap_; }
  const Totals& totals() const { return totals_; }

  std::string_view path(const Entry& e) const { return text(e.path_offset, e.path_length); }
  std::string_view name(const Entry& e) const { return path(e).substr(e.name_offset); }
  std::string_view link(const Entry& e) const { return text(e.link_offset, e.link_length); }
  Xattrs xattrs(const Entry& e) const;  // sorted by name
  std::string_view encoded_xattrs(const Entry& e) const {
    return text(e.xattr_offset, e.xattr_length);
  }

  // A pass over a table that lies in a file calls this for every record, with its index: the
  // memory of what was read is let go of now and then.
  void passed(std::size_t index) const {
    if (index % kRecordsHeld == kRecordsHeld - 1) mapping_.release_pages();
  }

  // Path order only: the entry at exactly `path`, by binary search; nothing is followed.
  std::optional<std::size_t> find(std::string_view path) const;
  // Path order only: one past the last record under `index` (index + 1 for a leaf).
  std::size_t subtree_end(std::size_t index) const;

 private:
  friend class TableBuilder;
  static constexpr std::size_t kRecordsHeld = 16384;
  void adopt_mapping();
  void write_to(int fd) const;
  std::string_view text(std::uint64_t offset, std::uint32_t length) const {
    return as_text(heap_).substr(offset, length);
  }
  Order order_ = Order::path;
  std::uint32_t link_groups_ = 0;
  std::span<const Entry> entries_;
  std::span<const digest::DiffId> layers_;
  Bytes heap_;
  std::vector<Entry> owned_entries_;
  std::vector<digest::DiffId> owned_layers_;
  std::vector<char> owned_heap_;  // a vector, not a string: moving it keeps its address
  Totals totals_;
  sys::Mapping mapping_;
  sys::TemporaryFile file_;  // of a table that was built in a folder and has no name yet
};

// Compares two paths in path order: as if '/' sorted before every other byte.
int compare_paths(std::string_view a, std::string_view b);

// Encodes xattrs for the heap; decode is Table::xattrs.
std::string encode_xattrs(const std::vector<std::pair<std::string, std::string>>& xattrs);

// Appends records and yields the Table. Given a folder, what exceeds a few MiB lies in unnamed
// files there, so that memory does not grow with the number of records.
class TableBuilder {
 public:
  explicit TableBuilder(Order order, std::string folder = {})
      : order_(order), folder_(std::move(folder)) {}
  // Offsets and lengths of path, link and xattrs are filled in here, in path order the parent too;
  // `entry` gives the rest. What is returned may be changed until the next call.
  Entry& add(Entry entry, std::string_view path, std::string_view link, std::string_view xattrs);
  void add_layer(const digest::DiffId& layer) { layers_.push_back(layer); }
  void set_link_groups(std::uint32_t count) { link_groups_ = count; }
  void set_totals(std::uint64_t stream_bytes, std::uint64_t content_bytes) {
    totals_.stream_bytes = stream_bytes;
    totals_.content_bytes = content_bytes;
  }
  std::size_t size() const { return entries_written_ + entries_.size(); }
  Entry entry(std::size_t index) const;
  void replace(std::size_t index, const Entry& entry);
  Table finish() &&;

 private:
  struct Ancestor {
    std::uint32_t index;
    std::size_t path_length;
  };

  std::uint64_t append(std::string_view bytes);
  std::uint32_t parent_of(std::string_view path, std::size_t name_offset);
  void write_entries();
  void write_heap();
  void write_rest();

  Order order_;
  std::string folder_;
  std::uint32_t link_groups_ = 0;
  std::vector<Entry> entries_;  // those not in entry_file_ yet
  std::vector<digest::DiffId> layers_;
  std::vector<char> heap_;  // what is not in heap_file_ yet
  Totals totals_;
  sys::TemporaryFile entry_file_;
  sys::TemporaryFile heap_file_;
  std::size_t entries_written_ = 0;
  std::uint64_t heap_written_ = 0;
  // Path order: the directories that lead to the last record, and its path.
  std::vector<Ancestor> ancestors_;
  std::string last_path_;
};

}  // namespace fastlayers::table
