#include "table/table.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <set>
#include <tuple>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "digest/xxh3.hpp"
#include "sys/node.hpp"

namespace fastlayers::table {

namespace {

// The head of a table file; the records, layers and heap follow at the offsets it names.
struct FileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t order;
  std::uint64_t entry_count;
  std::uint64_t heap_bytes;
  std::uint32_t layer_count;
  std::uint32_t link_groups;
  std::uint64_t checksum;  // XXH3-64 of everything behind the header
  std::uint64_t stream_bytes;
  std::uint64_t content_bytes;
};
static_assert(sizeof(FileHeader) == 64);
static_assert(sizeof(digest::DiffId) == 32);

constexpr char kMagic[8] = {'F', 'L', 'T', 'A', 'B', 'L', 'E', '1'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kMaxHeapBytes = std::uint64_t{1} << 30;
// What a builder with a folder holds in memory.
constexpr std::size_t kEntriesHeld = 8192;
constexpr std::size_t kHeapHeld = std::size_t{1} << 20;

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::corrupt,
              "file table " + path + ": " + what + "; fastlayers fsck --repair makes it anew");
}

bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t total) {
  return offset <= total && length <= total - offset;
}

// Paths are what the rules of layers rely on: relative, without a component that says nothing or
// leads up, each a name that file systems take; the root is a directory.
bool is_plain(std::string_view path, const Entry& e) {
  if (path.empty()) {
    return e.name_offset == 0 && (e.kind == Kind::directory || e.kind == Kind::opaque);
  }
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t start = 0;;) {
    const std::size_t slash = path.find('/', start);
    const std::string_view part = path.substr(start, slash - start);
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxNameBytes) return false;
    if (slash == std::string_view::npos) return e.name_offset == start;
    start = slash + 1;
  }
}

void check_entry(const Entry& e, std::size_t index, std::size_t layers, Bytes heap_bytes,
                 const std::string& path) {
  const std::uint64_t heap = heap_bytes.size();
  const bool ok = inside(e.path_offset, e.path_length, heap) &&
                  inside(e.link_offset, e.link_length, heap) &&
                  inside(e.xattr_offset, e.xattr_length, heap) && e.name_offset <= e.path_length &&
                  (e.parent == kNoParent || e.parent < index) && e.mtime_nsec < 1000000000U &&
                  e.kind <= Kind::opaque && (e.layer < layers || layers == 0);
  if (!ok) damaged(path, "record " + std::to_string(index) + " is out of bounds");
  if (!is_plain(as_text(heap_bytes.subspan(e.path_offset, e.path_length)), e)) {
    damaged(path, "record " + std::to_string(index) + " has no proper path");
  }
}

void check_header(const FileHeader& header, const std::string& path) {
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.version != kVersion ||
      header.order > 1) {
    damaged(path, "not a table of a version this engine knows");
  }
}

FileHeader header_of(Order order, const Totals& totals, std::uint32_t link_groups) {
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.order = static_cast<std::uint32_t>(order);
  header.entry_count = totals.entries;
  header.link_groups = link_groups;
  header.stream_bytes = totals.stream_bytes;
  header.content_bytes = totals.content_bytes;
  return header;
}

std::uint64_t entry_offset(std::size_t index) { return sizeof(FileHeader) + index * sizeof(Entry); }

template <class Record>
Bytes bytes_of(const Record& record) {
  return std::as_bytes(std::span(&record, 1));
}

Totals totals_of(const FileHeader& header) {
  return {header.entry_count, header.stream_bytes, header.content_bytes};
}

// Of everything behind the header of a table file.
std::uint64_t checksum_of(const sys::Mapping& file) {
  digest::Xxh3Stream64 checksum;
  file.for_each_piece(sizeof(FileHeader), [&](Bytes piece) { checksum.update(piece); });
  return checksum.finish();
}

// The files that this process has found whole. A table is written once and then linked under its
// name, so one that is the same file, of the same time, need not be read from end to end again:
// that would make every commit on an image pay for all the files of the image.
class VerifiedFiles {
 public:
  using Identity = std::tuple<dev_t, ino_t, std::int64_t, std::int64_t, off_t>;

  static Identity identity(int fd) {
    const struct stat status = sys::stat_fd(fd);
    return {status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
            status.st_size};
  }
  bool has(const Identity& file) {
    const std::lock_guard lock(mutex_);
    return files_.contains(file);
  }
  void add(const Identity& file) {
    const std::lock_guard lock(mutex_);
    if (files_.size() == kMost) files_.clear();
    files_.insert(file);
  }

 private:
  static constexpr std::size_t kMost = 1024;

  std::mutex mutex_;
  std::set<Identity> files_;
};

VerifiedFiles& verified_files() {
  static VerifiedFiles files;
  return files;
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t at = 0;
  while (at + 8 <= limit) {
    std::uint64_t left;
    std::uint64_t right;
    std::memcpy(&left, a.data() + at, 8);
    std::memcpy(&right, b.data() + at, 8);
    if (left != right) return at + static_cast<std::size_t>(__builtin_ctzll(left ^ right) / 8);
    at += 8;
  }
  while (at < limit && a[at] == b[at]) ++at;
  return at;
}

}  // namespace

int compare_paths(std::string_view a, std::string_view b) {
  const std::size_t at = common_prefix(a, b);
  // The end of a path sorts before '/', and '/' before every byte a name may hold.
  const auto rank = [at](std::string_view text) {
    if (at == text.size()) return 0;
    return text[at] == '/' ? 1 : static_cast<int>(static_cast<unsigned char>(text[at])) + 2;
  };
  return rank(a) - rank(b);
}

std::string encode_xattrs(const std::vector<std::pair<std::string, std::string>>& xattrs) {
  std::string out;
  const auto append = [&out](std::string_view text) {
    const auto length = static_cast<std::uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof(length));
    out.append(text);
  };
  for (const auto& [name, value] : xattrs) {
    append(name);
    append(value);
  }
  return out;
}

Xattrs Table::xattrs(const Entry& e) const {
  Xattrs result;
  std::string_view rest = text(e.xattr_offset, e.xattr_length);
  const auto take = [&rest] {
    std::uint32_t length = 0;
    if (rest.size() < sizeof(length)) {
      throw Error(ErrorKind::corrupt, "file table: extended attributes are cut short");
    }
    std::memcpy(&length, rest.data(), sizeof(length));
    rest.remove_prefix(sizeof(length));
    if (length > rest.size()) {
      throw Error(ErrorKind::corrupt, "file table: extended attributes are cut short");
    }
    const std::string_view taken = rest.substr(0, length);
    rest.remove_prefix(length);
    return taken;
  };
  while (!rest.empty()) {
    const std::string_view name = take();
    result.emplace_back(name, take());
  }
  return result;
}

Totals Table::read_totals(const std::string& path) {
  const sys::Fd file = sys::open(path, O_RDONLY);
  FileHeader header;
  const MutableBytes room{reinterpret_cast<std::byte*>(&header), sizeof(header)};
  if (sys::read_at(file.get(), room, 0) != sizeof(header)) {
    damaged(path, "shorter than its header");
  }
  check_header(header, path);
  return totals_of(header);
}

Table Table::open(const std::string& path) {
  ProfileTimer timer(ProfilePart::table);
  const sys::Fd file = sys::open(path, O_RDONLY);
  Table table;
  table.mapping_ = sys::Mapping(file.get());
  const Bytes all = table.mapping_.bytes();
  FileHeader header;
  if (all.size() < sizeof(header)) damaged(path, "shorter than its header");
  std::memcpy(&header, all.data(), sizeof(header));
  check_header(header, path);
  const std::uint64_t room = all.size() - sizeof(header);
  const std::uint64_t layer_bytes = std::uint64_t{header.layer_count} * sizeof(digest::DiffId);
  if (header.entry_count > room / sizeof(Entry) ||
      header.entry_count >= std::numeric_limits<std::uint32_t>::max() ||
      header.entry_count * sizeof(Entry) + layer_bytes + header.heap_bytes != room) {
    damaged(path, "its length is not what its header says");
  }
  const auto identity = VerifiedFiles::identity(file.get());
  const bool verified = verified_files().has(identity);
  if (!verified && checksum_of(table.mapping_) != header.checksum) {
    damaged(path, "its checksum is wrong");
  }
  table.adopt_mapping();
  if (verified) return table;
  for (std::size_t i = 0; i < table.entries_.size(); ++i) {
    check_entry(table.entries_[i], i, header.layer_count, table.heap_, path);
    table.passed(i);
  }
  verified_files().add(identity);
  return table;
}

// Takes the parts from a mapping whose lengths have been checked.
void Table::adopt_mapping() {
  FileHeader header;
  const std::byte* at = mapping_.bytes().data();
  std::memcpy(&header, at, sizeof(header));
  order_ = static_cast<Order>(header.order);
  link_groups_ = header.link_groups;
  totals_ = totals_of(header);
  at += sizeof(header);
  entries_ = {reinterpret_cast<const Entry*>(at), header.entry_count};
  at += header.entry_count * sizeof(Entry);
  layers_ = {reinterpret_cast<const digest::DiffId*>(at), header.layer_count};
  at += header.layer_count * sizeof(digest::DiffId);
  heap_ = {at, header.heap_bytes};
}

void Table::save(const std::string& path, bool sync) {
  const ProfileTimer timer(ProfilePart::table, entries_.size_bytes() + heap_.size());
  sys::TemporaryFile file = std::move(file_);
  file_ = {};
  if (!file.fd) {
    file = sys::create_temporary(path.substr(0, path.rfind('/')));
    write_to(file.fd.get());
  }
  if (sync) sys::sync_file(file.fd.get());
  sys::link_file(file, path);
}

void Table::write_to(int fd) const {
  FileHeader header = header_of(order_, totals_, link_groups_);
  header.heap_bytes = heap_.size();
  header.layer_count = static_cast<std::uint32_t>(layers_.size());
  const Bytes parts[] = {std::as_bytes(entries_), std::as_bytes(layers_), heap_};
  digest::Xxh3Stream64 checksum;
  for (const Bytes part : parts) checksum.update(part);
  header.checksum = checksum.finish();
  sys::write_all(fd, bytes_of(header));
  for (const Bytes part : parts) sys::write_all(fd, part);
}

std::optional<std::size_t> Table::find(std::string_view wanted) const {
  std::size_t low = 0;
  std::size_t high = entries_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const int order = compare_paths(path(entries_[middle]), wanted);
    if (order == 0) return middle;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

std::size_t Table::subtree_end(std::size_t index) const {
  const std::string_view root = path(entries_[index]);
  if (root.empty()) return entries_.size();
  const auto under = [&](const Entry& e) {
    const std::string_view p = path(e);
    return p.size() > root.size() && p[root.size()] == '/' && p.starts_with(root);
  };
  // Gallop: most subtrees are short.
  std::size_t step = 1;
  std::size_t low = index + 1;
  while (low < entries_.size() && under(entries_[low])) {
    const std::size_t next = std::min(low + step, entries_.size());
    if (next < entries_.size() && under(entries_[next])) {
      low = next;
      step *= 2;
    } else {
      const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(low);
      const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(next);
      return static_cast<std::size_t>(std::partition_point(first, last, under) - entries_.begin());
    }
  }
  return low;
}

std::uint64_t TableBuilder::append(std::string_view bytes) {
  const std::uint64_t offset = heap_written_ + heap_.size();
  if (offset + bytes.size() > kMaxHeapBytes) {
    throw Error(ErrorKind::limit, "names, links and attributes take more than 1 GiB");
  }
  heap_.insert(heap_.end(), bytes.begin(), bytes.end());
  return offset;
}

// The parent is one of the directories that lead to the record before.
std::uint32_t TableBuilder::parent_of(std::string_view path, std::size_t name_offset) {
  std::uint32_t parent = kNoParent;
  if (path.empty()) {
    ancestors_.clear();
  } else {
    const std::string_view wanted = path.substr(0, name_offset == 0 ? 0 : name_offset - 1);
    const std::string_view last = last_path_;
    while (!ancestors_.empty() && last.substr(0, ancestors_.back().path_length) != wanted) {
      ancestors_.pop_back();
    }
    if (ancestors_.empty()) {
      throw Error(ErrorKind::corrupt,
                  "file table: no record for the directory of " + std::string(path));
    }
    parent = ancestors_.back().index;
  }
  ancestors_.push_back({static_cast<std::uint32_t>(size()), path.size()});
  last_path_ = path;
  return parent;
}

Entry& TableBuilder::add(Entry entry, std::string_view path, std::string_view link,
                         std::string_view xattrs) {
  if (!folder_.empty()) {
    if (entries_.size() >= kEntriesHeld) write_entries();
    if (heap_.size() >= kHeapHeld) write_heap();
  }
  const auto slash = path.rfind('/');
  entry.name_offset = slash == std::string_view::npos ? 0 : static_cast<std::uint32_t>(slash + 1);
  if (order_ == Order::path) entry.parent = parent_of(path, entry.name_offset);
  entry.path_offset = append(path);
  entry.path_length = static_cast<std::uint32_t>(path.size());
  entry.link_offset = link.empty() ? 0 : append(link);
  entry.link_length = static_cast<std::uint32_t>(link.size());
  entry.xattr_offset = xattrs.empty() ? 0 : append(xattrs);
  entry.xattr_length = static_cast<std::uint32_t>(xattrs.size());
  entries_.push_back(entry);
  return entries_.back();
}

void TableBuilder::write_entries() {
  if (!entry_file_.fd) entry_file_ = sys::create_temporary(folder_);
  sys::write_all_at(entry_file_.fd.get(), std::as_bytes(std::span(entries_)),
                    entry_offset(entries_written_));
  entries_written_ += entries_.size();
  entries_.clear();
}

void TableBuilder::write_heap() {
  if (!heap_file_.fd) heap_file_ = sys::create_temporary(folder_);
  sys::write_all_at(heap_file_.fd.get(), std::as_bytes(std::span(heap_)), heap_written_);
  heap_written_ += heap_.size();
  heap_.clear();
}

Entry TableBuilder::entry(std::size_t index) const {
  if (index >= entries_written_) return entries_[index - entries_written_];
  Entry entry;
  sys::read_at(entry_file_.fd.get(), std::as_writable_bytes(std::span(&entry, 1)),
               entry_offset(index));
  return entry;
}

void TableBuilder::replace(std::size_t index, const Entry& entry) {
  if (index >= entries_written_) {
    entries_[index - entries_written_] = entry;
  } else {
    sys::write_all_at(entry_file_.fd.get(), bytes_of(entry), entry_offset(index));
  }
}

// Completes the file: layers and heap behind the records, the header in front of them.
void TableBuilder::write_rest() {
  write_entries();
  const int file = entry_file_.fd.get();
  std::uint64_t end = entry_offset(entries_written_);
  sys::write_all_at(file, std::as_bytes(std::span(layers_)), end);
  end += layers_.size() * sizeof(digest::DiffId);
  if (heap_file_.fd) {
    sys::seek(file, end);
    sys::copy_range(heap_file_.fd.get(), 0, file, heap_written_);
  }
  sys::write_all_at(file, std::as_bytes(std::span(heap_)), end + heap_written_);
  FileHeader header = header_of(order_, totals_, link_groups_);
  header.heap_bytes = heap_written_ + heap_.size();
  header.layer_count = static_cast<std::uint32_t>(layers_.size());
  header.checksum = checksum_of(sys::Mapping(file));
  sys::write_all_at(file, bytes_of(header), 0);
}

Table TableBuilder::finish() && {
  const ProfileTimer timer(ProfilePart::table);
  totals_.entries = size();
  if (entries_written_ != 0 || heap_written_ != 0) {
    write_rest();
    Table table;
    table.mapping_ = sys::Mapping(entry_file_.fd.get());
    table.file_ = std::move(entry_file_);
    table.adopt_mapping();
    return table;
  }
  Table table;
  table.order_ = order_;
  table.link_groups_ = link_groups_;
  table.owned_entries_ = std::move(entries_);
  table.owned_layers_ = std::move(layers_);
  table.owned_heap_ = std::move(heap_);
  table.entries_ = table.owned_entries_;
  table.layers_ = table.owned_layers_;
  table.heap_ = std::as_bytes(std::span<const char>(table.owned_heap_));
  table.totals_ = totals_;
  return table;
}

}  // namespace fastlayers::table
