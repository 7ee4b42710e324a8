#include "erofs/directory.hpp"

#include <cstring>

#include "erofs/format.hpp"
#include "erofs/index.hpp"

namespace fastlayers::erofs {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << kBlockBits;

struct Fill {
  std::size_t names = 0;
  std::size_t bytes = 0;
};

// How much of `names` the next block takes.
Fill fill_block(std::span<const DirectoryName> names) {
  Fill fill;
  for (const DirectoryName& entry : names) {
    const std::size_t bytes = sizeof(Dirent) + entry.name.size();
    if (fill.bytes + bytes > kBlockBytes) break;
    fill.bytes += bytes;
    ++fill.names;
  }
  return fill;
}

void write_block(std::span<const DirectoryName> names, std::byte* out) {
  std::size_t name_offset = names.size() * sizeof(Dirent);
  std::byte* at = out;
  for (const DirectoryName& entry : names) {
    const Dirent dirent{entry.nid, static_cast<std::uint16_t>(name_offset), entry.type, 0};
    std::memcpy(at, &dirent, sizeof(dirent));
    std::memcpy(out + name_offset, entry.name.data(), entry.name.size());
    at += sizeof(dirent);
    name_offset += entry.name.size();
  }
}

}  // namespace

void DirectoryNames::start(std::uint64_t self_nid, std::uint64_t parent_nid) {
  names_.clear();
  dots_[0] = {".", self_nid, kTypeDirectory};
  dots_[1] = {"..", parent_nid, kTypeDirectory};
  next_dot_ = 0;
}

void DirectoryNames::add_dots_before(std::string_view name) {
  while (next_dot_ < 2 && dots_[next_dot_].name < name) names_.push_back(dots_[next_dot_++]);
}

void DirectoryNames::add(const DirectoryName& child) {
  if (next_dot_ < 2) add_dots_before(child.name);
  names_.push_back(child);
}

std::span<const DirectoryName> DirectoryNames::finish() {
  while (next_dot_ < 2) names_.push_back(dots_[next_dot_++]);
  return names_;
}

std::uint64_t directory_bytes(std::span<const DirectoryName> names) {
  std::uint64_t bytes = 0;
  while (!names.empty()) {
    const Fill fill = fill_block(names);
    names = names.subspan(fill.names);
    bytes += names.empty() ? fill.bytes : kBlockBytes;
  }
  return bytes;
}

void write_directory(std::span<const DirectoryName> names, std::byte* blocks, std::byte* tail) {
  while (!names.empty()) {
    const Fill fill = fill_block(names);
    const bool is_last = fill.names == names.size();
    write_block(names.first(fill.names), is_last ? tail : blocks);
    names = names.subspan(fill.names);
    blocks += kBlockBytes;
  }
}

}  // namespace fastlayers::erofs
