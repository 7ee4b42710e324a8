#include "table/merge.hpp"

#include "base/profile.hpp"
#include "table/resolve.hpp"

namespace fastlayers::table {

namespace {

// A merged table has no opaque flags: they have done their work.
Entry without_opaque(Entry entry) {
  entry.flags = static_cast<std::uint8_t>(entry.flags & ~kOpaque);
  return entry;
}

}  // namespace

void Merger::begin(std::span<const digest::DiffId> layers, std::uint32_t link_groups) {
  for (const auto& layer : layers) out_.add_layer(layer);
  out_.set_link_groups(link_groups);
}

void Merger::take_below() {
  const Entry& e = (*below_)[next_];
  out_.add(without_opaque(e), below_->path(e), below_->link(e), below_->encoded_xattrs(e));
  below_->passed(next_++);
}

void Merger::add(const Entry& entry, std::string_view path, std::string_view link,
                 std::string_view xattrs) {
  int order = -1;
  while (more_below() && (order = compare_paths(below_->path((*below_)[next_]), path)) < 0) {
    take_below();
  }
  if (more_below() && order == 0) {
    const bool merges = is_directory(entry) && (entry.flags & kOpaque) == 0;
    next_ = merges ? next_ + 1 : below_->subtree_end(next_);
  }
  if (entry.kind != Kind::whiteout) out_.add(without_opaque(entry), path, link, xattrs);
}

void Merger::end() {
  while (more_below()) take_below();
}

Table merge(const Table* below, const Table& delta, TableBuilder out) {
  const ProfileTimer timer(ProfilePart::merge);
  Merger merger(below, out);
  merger.begin(delta.layers(), delta.link_groups());
  for (std::size_t i = 0; i < delta.size(); ++i) {
    const Entry& e = delta[i];
    merger.add(e, delta.path(e), delta.link(e), delta.encoded_xattrs(e));
    delta.passed(i);
  }
  merger.end();
  return std::move(out).finish();
}

}  // namespace fastlayers::table
