#include <map>

#include "benchmarks.hpp"
#include "erofs/image_reader.hpp"
#include "erofs/index.hpp"
#include "sys/file.hpp"
#include "table/resolve.hpp"

namespace micro {

namespace {

using namespace fastlayers;

std::uint64_t bytes_of(const table::Table& table) {
  return table.entries().size_bytes() + table.heap().size();
}

// Path to mode, the simple way: what is above wins.
void check_merge(const table::Table& below, const table::Table& delta, const table::Table& merged) {
  const auto before = [](std::string_view a, std::string_view b) {
    return table::compare_paths(a, b) < 0;
  };
  std::map<std::string_view, std::uint16_t, decltype(before)> expected(before);
  for (const table::Entry& e : below.entries()) expected[below.path(e)] = e.mode;
  for (const table::Entry& e : delta.entries()) expected[delta.path(e)] = e.mode;
  require(merged.size() == expected.size(), "merge", "another number of entries");
  std::size_t i = 0;
  for (const auto& [path, mode] : expected) {
    require(merged.path(merged[i]) == path && merged[i].mode == mode, "merge", std::string(path));
    ++i;
  }
}

std::size_t count_names(const erofs::ImageReader& image, std::uint64_t nid) {
  std::size_t count = 0;
  for (const erofs::ReadName& name : image.list(image.inode(nid))) {
    if (name.name == "." || name.name == "..") continue;
    ++count;
    if (name.type == 2) count += count_names(image, name.nid);
  }
  return count;
}

std::uint64_t write_index(const table::Table& table, const std::string& path) {
  const auto size = [](std::uint32_t, bool) { return std::uint64_t{1} << 40; };
  const erofs::IndexInfo info = erofs::write_index(table, size, path);
  require(info.inodes == table.size(), "EROFS index", "another number of inodes");
  return info.bytes;
}

Figure index_figure(const Context& context, const table::Table& table) {
  const std::string path = context.work + "/index";
  const std::uint64_t bytes = write_index(table, path);
  const erofs::ImageReader image(sys::read_file(path, bytes));
  sys::unlink(path);
  require(count_names(image, image.super().root_nid) + 1 == table.size(), "EROFS index",
          "another number of names");
  Figure figure{"EROFS index", bytes, table.size(), {}, "write to a memfd"};
  figure.timing = measure(context.rounds, [&] {
    write_index(table, path);
    sys::unlink(path);
  });
  return figure;
}

}  // namespace

Figures table_figures(const Context& context) {
  const table::Table below = make_table({context.table_folders, 1, 0, 50, 0644});
  // A tenth of the folders: ten files replaced, and as many new ones.
  const table::Table delta = make_table({context.table_folders, 10, 40, 20, 0600});
  const table::Table merged = table::merge(&below, delta);
  check_merge(below, delta, merged);
  Figure merging{"merge", bytes_of(merged), merged.size(), {}, "memcpy"};
  merging.timing = measure(context.rounds, [&] { table::merge(&below, delta); });
  return {merging, index_figure(context, merged)};
}

}  // namespace micro
