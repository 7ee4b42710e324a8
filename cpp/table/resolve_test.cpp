#include "table/resolve.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"

namespace fastlayers::table {
namespace {

// A layer in a line: "d dir", "f path", "w path", "o dir", "s path>target", "h path>target".
Table layer_of(std::initializer_list<const char*> lines, std::uint8_t id = 1) {
  TableBuilder builder(Order::tar);
  for (const std::string line : lines) {
    const std::string rest = line.substr(2);
    const auto arrow = rest.find('>');
    const std::string path = rest.substr(0, arrow);
    const std::string link = arrow == std::string::npos ? "" : rest.substr(arrow + 1);
    Entry entry;
    entry.mode = 0640;
    switch (line[0]) {
      case 'd':
        entry.kind = Kind::directory;
        entry.mode = 0750;
        break;
      case 'w':
        entry.kind = Kind::whiteout;
        break;
      case 'o':
        entry.kind = Kind::opaque;
        break;
      case 's':
        entry.kind = Kind::symlink;
        break;
      case 'h':
        entry.kind = Kind::hardlink;
        break;
      default:
        entry.kind = Kind::file;
    }
    builder.add(entry, path, link, {});
  }
  digest::DiffId diff_id;
  diff_id.hash[0] = id;
  builder.add_layer(diff_id);
  return std::move(builder).finish();
}

std::string show(const Table& table) {
  std::string text;
  for (const Entry& e : table.entries()) {
    if (table.path(e).empty()) continue;
    constexpr const char* kLetters = "fdscbpw";
    text += std::string(1, kLetters[static_cast<int>(e.kind)]) +
            ((e.flags & kOpaque) != 0 ? "!" : "") + " " + std::string(table.path(e)) + "\n";
  }
  return text;
}

std::string delta_of(const Table& below, const Table& layer) {
  return show(resolve(&below, layer));
}

TEST_CASE("paths sort depth first") {
  CHECK(compare_paths("a/b", "a-b") < 0);
  CHECK(compare_paths("a", "a/b") < 0);
  CHECK(compare_paths("", "a") < 0);
  CHECK(compare_paths("a/b", "a/b") == 0);
  CHECK(compare_paths("a\xff", "b") < 0);
}

TEST_CASE("a whiteout acts on what is below, wherever it stands") {
  const Table base = merge(nullptr, resolve(nullptr, layer_of({"d etc", "f etc/a", "f etc/b"})));
  CHECK(delta_of(base, layer_of({"w etc/a"}, 2)) == "d etc\nw etc/a\n");
  CHECK(delta_of(base, layer_of({"f etc/a", "w etc/a"}, 2)) == "d etc\nf etc/a\n");
  CHECK(delta_of(base, layer_of({"w etc/none", "w no/where"}, 2)).empty());
}

TEST_CASE("a directory deleted and made again is opaque") {
  const Table base =
      merge(nullptr, resolve(nullptr, layer_of({"d d", "f d/x", "d d/s", "f d/s/y"})));
  const Table delta = resolve(&base, layer_of({"w d", "f d/new"}, 2));
  CHECK(show(delta) == "d! d\nf d/new\n");
  CHECK(show(merge(&base, delta)) == "d d\nf d/new\n");
}

TEST_CASE("an opaque mark after a deeper whiteout hides what the whiteout had touched") {
  const Table base =
      merge(nullptr, resolve(nullptr, layer_of({"d d", "d d/s", "f d/s/x", "f d/s/y"})));
  const Table delta = resolve(&base, layer_of({"w d/s/x", "o d", "f d/s/new"}, 2));
  CHECK(show(merge(&base, delta)) == "d d\nd d/s\nf d/s/new\n");
}

TEST_CASE("an entry below a symlink lands where the link points, inside the root") {
  const Table base =
      merge(nullptr, resolve(nullptr, layer_of({"d usr", "d usr/lib", "s lib>/../usr/lib"})));
  CHECK(delta_of(base, layer_of({"f lib/new"}, 2)) == "d usr\nd usr/lib\nf usr/lib/new\n");
}

TEST_CASE("a marker is not followed through a symlink that the layer replaces") {
  const Table base = merge(nullptr, resolve(nullptr, layer_of({"d d", "f d/f", "s s>d", "s l>l"})));
  CHECK(delta_of(base, layer_of({"d s", "o s"}, 2)) == "d s\n");
  CHECK(delta_of(base, layer_of({"w s", "w s/f"}, 2)) == "w s\n");
  CHECK(delta_of(base, layer_of({"w s/f"}, 2)) == "d d\nw d/f\n");
  CHECK(delta_of(base, layer_of({"w l/f"}, 2)).empty());
}

TEST_CASE("the order of markers and entries makes no difference") {
  const Table tree = merge(nullptr, resolve(nullptr, layer_of({"d t", "f t/x"})));
  CHECK(delta_of(tree, layer_of({"w t/x", "w t"}, 2)) == "w t\n");
  CHECK(delta_of(tree, layer_of({"w t", "w t/x"}, 2)) == "w t\n");
  CHECK(delta_of(tree, layer_of({"w t/x", "o t"}, 2)) == delta_of(tree, layer_of({"o t"}, 2)));
  const Table links = merge(nullptr, resolve(nullptr, layer_of({"d a", "f a/f", "d b", "f b/f"})));
  CHECK(delta_of(links, layer_of({"s a>b", "w a/f"}, 2)) == "s a\n");
  CHECK(delta_of(links, layer_of({"w a/f", "s a>b"}, 2)) == "s a\n");
  const Table deep = merge(nullptr, resolve(nullptr, layer_of({"d d", "d d/s", "f d/s/z"})));
  const Table marked = resolve(&deep, layer_of({"d d", "f d/s/new", "o d"}, 2));
  CHECK(show(merge(&deep, marked)) == "d d\nd d/s\nf d/s/new\n");
}

TEST_CASE("a symlink to a directory is not followed once its target is deleted") {
  const Table base = merge(nullptr, resolve(nullptr, layer_of({"d d", "f d/f", "s s>d"})));
  CHECK(delta_of(base, layer_of({"w d", "d s", "f s/n"}, 2)) == "w d\nd s\nf s/n\n");
}

TEST_CASE("a hard link to a lower file brings its other names along") {
  const Table base = merge(nullptr, resolve(nullptr, layer_of({"f a", "h b>a", "f c"})));
  const Table delta = resolve(&base, layer_of({"h z>b"}, 2));
  CHECK(show(delta) == "f a\nf b\nf z\n");
  const Table merged = merge(&base, delta);
  const std::uint32_t group = merged[*merged.find("z")].link_group;
  CHECK(group != 0);
  CHECK(merged[*merged.find("a")].link_group == group);
  CHECK(merged[*merged.find("c")].link_group == 0);
}

TEST_CASE("a hard link may come before its target, never without one") {
  CHECK(show(resolve(nullptr, layer_of({"h b>a", "f a"}))) == "f a\nf b\n");
  CHECK_THROWS_AS(resolve(nullptr, layer_of({"h b>a"})), Error);
  CHECK_THROWS_AS(resolve(nullptr, layer_of({"d a", "h b>a"})), Error);
}

TEST_CASE("implied directories keep what is below, and are 0755 where nothing is") {
  const Table base = merge(nullptr, resolve(nullptr, layer_of({"d tmp"})));
  const Table delta = resolve(&base, layer_of({"f tmp/x", "f new/y"}, 2));
  CHECK(delta[*delta.find("tmp")].mode == 0750);
  CHECK(delta[*delta.find("new")].mode == 0755);
}

TEST_CASE("symlink loops are refused") {
  CHECK_THROWS_AS(resolve(nullptr, layer_of({"s a>b", "s b>a", "f a/x"})), Error);
}

TEST_CASE("a table survives its file") {
  Table table = resolve(nullptr, layer_of({"d d", "f d/x", "s l>d/x"}));
  const std::string path = "/tmp/fastlayers-table-test-" + sys::unique_name("");
  table.save(path);
  const Table back = Table::open(path);
  CHECK(show(back) == show(table));
  CHECK(back.link(back[*back.find("l")]) == "d/x");
  std::string bytes = sys::read_file(path, 1 << 20);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  sys::write_file_atomic(path, as_bytes(bytes));
  CHECK_THROWS_AS(Table::open(path), Error);
  sys::unlink(path);
}

// More than a builder with a folder keeps in memory.
Table large_layer(TableBuilder builder, std::size_t files) {
  Entry directory;
  directory.kind = Kind::directory;
  for (std::size_t i = 0; i < files; ++i) {
    const std::string folder = "d" + std::to_string(i / 1000);
    if (i % 1000 == 0) builder.add(directory, folder, {}, {});
    builder.add({}, folder + "/file-with-a-long-name-" + std::to_string(i), {}, {});
  }
  builder.add_layer(digest::DiffId{});
  return std::move(builder).finish();
}

TEST_CASE("a table that was built in files is the one that was built in memory") {
  const Table memory = large_layer(TableBuilder(Order::tar), 40000);
  const Table files = large_layer(TableBuilder(Order::tar, "/tmp"), 40000);
  CHECK(show(memory) == show(files));
  const Table below = resolve(nullptr, memory);
  const Table on_disk = resolve(nullptr, files, TableBuilder(Order::path, "/tmp"));
  CHECK(show(below) == show(on_disk));
  CHECK(on_disk[on_disk.size() - 1].parent == below[below.size() - 1].parent);
}

TEST_CASE("apply is merge of what resolve gives") {
  const Table base = resolve(nullptr, layer_of({"d a", "f a/x", "f a/y", "d b", "f b/z", "s l>a"}));
  const Table layer = layer_of({"w a/x", "o b", "f b/new", "f l/through", "h hard>a/y"}, 2);
  CHECK(show(apply(&base, layer)) == show(merge(&base, resolve(&base, layer))));
}

}  // namespace
}  // namespace fastlayers::table
