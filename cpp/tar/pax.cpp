#include "tar/pax.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "tar/text.hpp"

namespace fastlayers::tar {

namespace {

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr std::string_view kSparsePrefix = "GNU.sparse.";
constexpr int kNanosecondDigits = 9;
constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;

// Attributes of a global header are copied to every member, so a large one would multiply.
constexpr std::size_t kGlobalXattrBytes = 4096;

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::corrupt, what); }

template <class Number>
std::optional<Number> decimal(std::string_view text) {
  Number value{};
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t require_decimal(std::string_view key, std::string_view value) {
  const std::optional<std::uint64_t> number = decimal<std::uint64_t>(value);
  if (!number) {
    fail("the PAX record " + printable(key) + " is not a decimal number: " + printable(value));
  }
  return *number;
}

// "1700000000.25" or "-0.5": excess digits are cut, not rounded (also below zero).
std::optional<Timestamp> parse_timestamp(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::optional<std::int64_t> whole = decimal<std::int64_t>(text.substr(0, point));
  if (!whole) return std::nullopt;
  std::uint32_t nanoseconds = 0;
  int digits = 0;
  for (const char c : text.substr(std::min(point + 1, text.size()))) {
    if (c < '0' || c > '9') return std::nullopt;
    if (digits == kNanosecondDigits) continue;
    nanoseconds = nanoseconds * 10 + static_cast<std::uint32_t>(c - '0');
    ++digits;
  }
  for (; digits < kNanosecondDigits; ++digits) nanoseconds *= 10;
  if (!negative) return Timestamp{*whole, nanoseconds};
  if (nanoseconds == 0) return Timestamp{-*whole, 0};
  return Timestamp{-*whole - 1, kNanosecondsPerSecond - nanoseconds};
}

class Parser {
 public:
  Parser(PaxScope scope, const Limits& limits, PaxRecords& records)
      : scope_(scope), limits_(limits), records_(records) {}

  void record(std::string_view key, std::string_view value) {
    if (key.starts_with(kXattrPrefix)) {
      xattr(key.substr(kXattrPrefix.size()), value);
    } else if (key.starts_with(kSparsePrefix)) {
      refuse_global(key, value);
      sparse(key, key.substr(kSparsePrefix.size()), value);
    } else if (key == "path" || key == "linkpath") {
      refuse_global(key, value);
      name(key, value, key == "path" ? records_.path : records_.link_target);
    } else if (key == "size") {
      refuse_global(key, value);
      number(key, value, records_.size);
    } else if (key == "uid") {
      number(key, value, records_.uid);
    } else if (key == "gid") {
      number(key, value, records_.gid);
    } else if (key == "mtime") {
      mtime(value);
    }
  }

 private:
  void refuse_global(std::string_view key, std::string_view value) const {
    if (scope_ == PaxScope::global && !value.empty()) {
      throw Error(ErrorKind::unsupported,
                  "a global PAX header sets " + printable(key) + ", which belongs to one member");
    }
  }

  static void name(std::string_view key, std::string_view value, Record<std::string>& record) {
    if (value.empty()) return record.remove();
    if (value.find('\0') != std::string_view::npos) {
      fail("there is a NUL in the PAX record " + printable(key));
    }
    record.set(std::string(value));
  }

  static void number(std::string_view key, std::string_view value, Record<std::uint64_t>& record) {
    if (value.empty()) return record.remove();
    record.set(require_decimal(key, value));
  }

  void mtime(std::string_view value) {
    if (value.empty()) return records_.mtime.remove();
    const std::optional<Timestamp> timestamp = parse_timestamp(value);
    if (!timestamp) fail("the PAX record \"mtime\" is not a time: " + printable(value));
    records_.mtime.set(*timestamp);
  }

  void xattr(std::string_view name, std::string_view value) {
    if (name.empty()) fail("a PAX record holds an extended attribute without a name");
    records_.xattrs.emplace_back(name, value);
  }

  void sparse(std::string_view key, std::string_view rest, std::string_view value) {
    if (rest == "name") {
      name(key, value, records_.sparse_name);
    } else if (rest == "size" || rest == "realsize") {
      number(key, value, records_.sparse_size);
    } else if (rest == "major" || rest == "minor") {
      name(key, value, rest == "major" ? records_.sparse_major : records_.sparse_minor);
    } else if (rest == "map") {
      name(key, value, records_.sparse_map);
    } else if (rest == "offset") {
      if (records_.sparse_offset_pending) fail("GNU.sparse.offset stands twice in a row");
      if (records_.sparse_extents.size() >= limits_.extents) {
        fail("the sparse map has more than " + std::to_string(limits_.extents) + " runs");
      }
      records_.sparse_extents.push_back({require_decimal(key, value), 0});
      records_.sparse_offset_pending = true;
    } else if (rest == "numbytes") {
      if (!records_.sparse_offset_pending) fail("GNU.sparse.numbytes without an offset before it");
      records_.sparse_extents.back().length = require_decimal(key, value);
      records_.sparse_offset_pending = false;
    }
  }

  PaxScope scope_;
  const Limits& limits_;
  PaxRecords& records_;
};

// Takes "<length> <key>=<value>\n" from the front of `body`; the length counts all of it.
std::pair<std::string_view, std::string_view> take_record(std::string_view& body) {
  const std::size_t blank = body.find(' ');
  const std::optional<std::size_t> length =
      blank == std::string_view::npos ? std::nullopt : decimal<std::size_t>(body.substr(0, blank));
  if (!length || *length > body.size() || *length < blank + 2 || body[*length - 1] != '\n') {
    fail("a PAX record does not have the length it says");
  }
  const std::string_view text = body.substr(blank + 1, *length - blank - 2);
  body.remove_prefix(*length);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) fail("a PAX record has no key");
  const std::string_view key = text.substr(0, equals);
  if (key.find('\0') != std::string_view::npos) fail("there is a NUL in the key of a PAX record");
  return {key, text.substr(equals + 1)};
}

// Keeps the last value of each name, and drops the names whose last value is empty.
void keep_last(PaxXattrs& xattrs) {
  std::stable_sort(xattrs.begin(), xattrs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < xattrs.size(); ++i) {
    if (i + 1 < xattrs.size() && xattrs[i + 1].first == xattrs[i].first) continue;
    if (xattrs[i].second.empty()) continue;
    if (kept != i) xattrs[kept] = std::move(xattrs[i]);
    ++kept;
  }
  xattrs.resize(kept);
}

}  // namespace

void PaxRecords::clear() {
  path.clear();
  link_target.clear();
  size.clear();
  uid.clear();
  gid.clear();
  mtime.clear();
  xattrs.clear();
  sparse_name.clear();
  sparse_major.clear();
  sparse_minor.clear();
  sparse_size.clear();
  sparse_map.clear();
  sparse_extents.clear();
  sparse_offset_pending = false;
}

void parse_pax(Bytes body, PaxScope scope, const Limits& limits, PaxRecords& records) {
  Parser parser(scope, limits, records);
  std::string_view left = as_text(body);
  while (!left.empty()) {
    const auto [key, value] = take_record(left);
    parser.record(key, value);
  }
  if (records.sparse_offset_pending) fail("the last GNU.sparse.offset has no length");
  if (scope == PaxScope::member) return;
  keep_last(records.xattrs);
  std::size_t bytes = 0;
  for (const auto& [name, value] : records.xattrs) bytes += name.size() + value.size();
  if (bytes > kGlobalXattrBytes) {
    throw Error(ErrorKind::limit, "global PAX headers hold more than " +
                                      std::to_string(kGlobalXattrBytes) +
                                      " bytes of extended attributes");
  }
}

void merge_xattrs(const PaxXattrs& global, PaxXattrs& local, PaxXattrs& merged) {
  merged.assign(global.begin(), global.end());
  merged.insert(merged.end(), std::make_move_iterator(local.begin()),
                std::make_move_iterator(local.end()));
  if (!merged.empty()) keep_last(merged);
}

}  // namespace fastlayers::tar
