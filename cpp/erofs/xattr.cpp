#include "erofs/xattr.hpp"

#include <utility>

#include "base/error.hpp"
#include "erofs/format.hpp"
#include "tar/text.hpp"

namespace fastlayers::erofs {

namespace {

constexpr std::size_t kMaxShared = 255;           // XattrHeader::shared_count is a byte
constexpr std::size_t kMaxNameBytes = 255;        // XATTR_NAME_MAX, with the prefix
constexpr std::size_t kMaxValueBytes = 0xffff;    // XattrEntry::value_length
constexpr std::size_t kMaxBodyWords = 0xffff;     // Inode::xattr_count
constexpr std::size_t kLongAttributeBytes = 256;  // longer ones would spread the inodes

struct Prefix {
  std::string_view text;
  std::uint8_t number;
  bool whole;  // stands for the whole name
};

constexpr Prefix kPrefixes[] = {
    {"user.", 1, false},
    {"system.posix_acl_access", 2, true},
    {"system.posix_acl_default", 3, true},
    {"trusted.", 4, false},
    {"security.", 6, false},
};

const Prefix* find_prefix(std::string_view name) {
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.whole ? name == prefix.text : name.starts_with(prefix.text)) return &prefix;
  }
  return nullptr;
}

std::string encode(const Prefix& prefix, std::string_view name, std::string_view value) {
  const std::string_view suffix = name.substr(prefix.text.size());
  const XattrEntry entry{static_cast<std::uint8_t>(suffix.size()), prefix.number,
                         static_cast<std::uint16_t>(value.size())};
  std::string out(reinterpret_cast<const char*>(&entry), sizeof(entry));
  out.append(suffix).append(value);
  out.resize((out.size() + 3) / 4 * 4);
  return out;
}

void check(const Prefix& prefix, std::string_view name, std::string_view value) {
  const auto refuse = [&](const char* what) {
    throw Error(ErrorKind::unsupported, "extended attribute " + tar::printable(name) + " " + what);
  };
  if (name.size() > kMaxNameBytes || name.find('\0') != std::string_view::npos ||
      (!prefix.whole && name.size() == prefix.text.size())) {
    refuse("has a name that Linux cannot hold");
  }
  if (value.size() > kMaxValueBytes) refuse("is longer than the 65,535 bytes EROFS can hold");
  if (name.starts_with("trusted.overlay.")) {
    refuse("is an instruction to overlayfs and must not come from a layer");
  }
}

}  // namespace

std::uint32_t XattrTable::add(const table::Table& table, const table::Entry& entry) {
  const bool opaque = (entry.flags & table::kOpaque) != 0;
  if (entry.xattr_length == 0 && !opaque) return kNone;
  // The kernel allows user.* on files and directories only (xattr(7)): on anything else it would
  // list them and then deny them.
  const bool user_too = entry.kind == table::Kind::file || is_directory(entry);
  const Key key{as_text(table.heap()).substr(entry.xattr_offset, entry.xattr_length), opaque,
                user_too};
  const auto [found, is_new] =
      set_numbers_.try_emplace(key, static_cast<std::uint32_t>(sets_.size()));
  if (is_new) {
    Set& set = sets_.emplace_back();
    set.first_path = table.path(entry);
    try {
      for (const auto& [name, value] : table.xattrs(entry)) {
        if (user_too || !name.starts_with("user.")) append(set, name, value);
      }
    } catch (Error& error) {
      error.add_context(tar::printable(set.first_path));
      throw;
    }
    if (opaque) {
      constexpr std::string_view name = "trusted.overlay.opaque";
      set.attributes.push_back(intern(encode(*find_prefix(name), name, "y")));
    }
  }
  Set& set = sets_[found->second];
  ++set.uses;
  left_out_ += set.left_out;
  return set.attributes.empty() ? kNone : found->second;
}

void XattrTable::append(Set& set, std::string_view name, std::string_view value) {
  const Prefix* prefix = find_prefix(name);
  if (prefix == nullptr) {
    ++set.left_out;
    return;
  }
  check(*prefix, name, value);
  set.attributes.push_back(intern(encode(*prefix, name, value)));
}

std::uint32_t XattrTable::intern(std::string encoded) {
  const auto [found, is_new] =
      attribute_numbers_.try_emplace(encoded, static_cast<std::uint32_t>(attributes_.size()));
  if (is_new) attributes_.push_back({std::move(encoded), 0, kNone});
  return found->second;
}

void XattrTable::finish() {
  for (const Set& set : sets_) {
    for (const std::uint32_t number : set.attributes) attributes_[number].uses += set.uses;
  }
  for (Attribute& attribute : attributes_) {
    if (attribute.uses < 2 && attribute.encoded.size() <= kLongAttributeBytes) continue;
    attribute.number = static_cast<std::uint32_t>(shared_.size() / 4);
    shared_ += attribute.encoded;
  }
  for (Set& set : sets_) build_body(set);
}

void XattrTable::build_body(Set& set) {
  if (set.attributes.empty()) return;
  std::string numbers;
  std::string entries;
  XattrHeader header{};
  for (const std::uint32_t index : set.attributes) {
    const Attribute& attribute = attributes_[index];
    if (attribute.number != kNone && header.shared_count < kMaxShared) {
      numbers.append(reinterpret_cast<const char*>(&attribute.number), 4);
      ++header.shared_count;
    } else {
      entries += attribute.encoded;
    }
  }
  set.body.assign(reinterpret_cast<const char*>(&header), sizeof(header));
  set.body += numbers;
  set.body += entries;
  if ((set.body.size() - sizeof(header)) / 4 + 1 > kMaxBodyWords) {
    throw Error(ErrorKind::unsupported,
                tar::printable(set.first_path) + ": more extended attributes than EROFS can hold");
  }
}

std::string_view XattrTable::body(std::uint32_t set) const {
  return set == kNone ? std::string_view() : std::string_view(sets_[set].body);
}

}  // namespace fastlayers::erofs
