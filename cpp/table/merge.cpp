#include "table/resolve.hpp"

namespace fastlayers::table {

namespace {

// Everything but what TableBuilder fills in is taken over; opaque has done its work.
void copy_entry(TableBuilder& out, const Table& from, const Entry& e) {
  Entry copy = e;
  copy.flags = static_cast<std::uint8_t>(copy.flags & ~kOpaque);
  out.add(copy, from.path(e), from.link(e),
          as_text(from.heap()).substr(e.xattr_offset, e.xattr_length));
}

}  // namespace

Table merge(const Table* below, const Table& delta) {
  TableBuilder out(Order::path);
  for (const auto& layer : delta.layers()) out.add_layer(layer);
  out.set_link_groups(delta.link_groups());
  out.reserve(delta.size() + (below != nullptr ? below->size() : 0),
              delta.heap().size() + (below != nullptr ? below->heap().size() : 0));
  std::size_t i = 0;
  const std::size_t below_size = below != nullptr ? below->size() : 0;
  for (std::size_t j = 0; j < delta.size(); ++j) {
    const Entry& e = delta[j];
    const std::string_view path = delta.path(e);
    int order = -1;
    while (i < below_size && (order = compare_paths(below->path((*below)[i]), path)) < 0) {
      copy_entry(out, *below, (*below)[i++]);
    }
    if (i < below_size && order == 0) {
      const bool merges = is_directory(e) && (e.flags & kOpaque) == 0;
      i = merges ? i + 1 : below->subtree_end(i);
    }
    if (e.kind != Kind::whiteout) copy_entry(out, delta, e);
  }
  while (i < below_size) copy_entry(out, *below, (*below)[i++]);
  return std::move(out).finish();
}

Table merge(const Table* below, Table&& delta) {
  // The base layer hides nothing and deletes nothing: it is what the stack looks like.
  return below == nullptr ? std::move(delta) : merge(below, delta);
}

}  // namespace fastlayers::table
