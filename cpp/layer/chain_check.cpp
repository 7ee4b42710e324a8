// What fsck asks of layers and chains: derive it all anew, and compare.
#include <cstring>

#include "base/error.hpp"
#include "layer/chain_plan.hpp"
#include "layer/mount_points.hpp"
#include "table/resolve.hpp"
#include "tree/tree_checker.hpp"

namespace fastlayers::layer {

namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

// A folder for what is derived anew; begins with a dot, so that it is collected if we die.
struct Scratch {
  explicit Scratch(const std::string& parent) : path(sys::unique_name(parent + "/.check-")) {
    sys::make_dirs(path, 0700);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    try {
      sys::remove_tree(path);
    } catch (const Error&) {  // the collector tries again
    }
  }
  std::string path;
};

bool is_same(const sys::Mapping& a, const sys::Mapping& b) {
  if (a.bytes().size() != b.bytes().size()) return false;
  bool same = true;
  std::size_t at = 0;
  a.for_each_piece(0, [&](Bytes piece) {
    same = same && std::memcmp(piece.data(), b.bytes().data() + at, piece.size()) == 0;
    at += piece.size();
    b.release_pages();
  });
  return same;
}

bool is_same_file(const std::string& a, const std::string& b) {
  const auto one = sys::try_open(a, O_RDONLY);
  const auto other = sys::try_open(b, O_RDONLY);
  return one && other && is_same(sys::Mapping(one->get()), sys::Mapping(other->get()));
}

bool is_tree_right(const std::string& path, const table::Table& expected) {
  const sys::Fd tree = sys::open(path, O_RDONLY | O_DIRECTORY);
  return !tree::difference(expected, tree.get());
}

}  // namespace

std::vector<std::string> LayerStore::damage(const digest::DiffId& id) const {
  const sys::Fd tar = blobs_.open(id.hash);
  Recorder recorder(blobs_.directory());
  tar::Reader reader(recorder);
  digest::Sha256 hash;
  std::vector<std::byte> room(kReadBytes);
  std::uint64_t size = 0;
  std::optional<Error> refused;
  while (const std::size_t count = sys::read_at(tar.get(), room, size)) {
    const Bytes bytes = Bytes(room).first(count);
    hash.update(bytes);
    size += count;
    if (refused) continue;
    try {
      reader.feed(bytes);
    } catch (const Error& error) {
      refused = error;
    }
  }
  if (hash.finish() != id.hash) return {"tar"};
  if (refused) throw *refused;
  if (!sys::exists(directory(id))) return {};
  reader.finish();
  recorder.rescue_tail(tar.get(), size);
  table::Table table = recorder.finish(id, size);
  const Scratch scratch(blobs_.root() + "/layers");
  table.save(scratch.path + "/table", false);
  std::vector<std::string> wrong;
  if (!is_same_file(scratch.path + "/table", table_path(id))) wrong.emplace_back("table");
  const auto side = sys::try_open(side_path(id), O_RDONLY);
  const bool same_side =
      recorder.has_side()
          ? side && is_same(sys::Mapping(recorder.side().fd.get()), sys::Mapping(side->get()))
          : !side;
  if (!same_side) wrong.emplace_back("side");
  return wrong;
}

std::vector<ChainDamage> ChainStore::damage(const Stack& stack) const {
  const auto ids = chain_ids(stack);
  sys::make_dirs(layers_.blobs().root() + "/chains", 0755);
  const Scratch scratch(layers_.blobs().root() + "/chains");
  std::vector<ChainDamage> found;
  table::Table merged = empty_table();
  const auto look = [&](const digest::ChainId& id, const Derived& derived) {
    if (!sys::exists(directory(id))) return;
    auto parts = damaged_parts(stack, ids, derived, scratch.path);
    if (!parts.empty()) found.push_back({id, std::move(parts)});
  };
  look(digest::ChainId{}, {0, merged, nullptr});
  for (std::size_t count = 1; count <= stack.size(); ++count) {
    const table::Table* below = count > 1 ? &merged : nullptr;
    table::Table next = combine(table::apply, below, stack[count - 1]);
    look(ids[count - 1], {count, next, below});
    merged = std::move(next);
  }
  return found;
}

std::vector<std::string> ChainStore::damaged_parts(const Stack& stack,
                                                   const std::vector<digest::ChainId>& ids,
                                                   const Derived& derived,
                                                   const std::string& scratch) const {
  const std::string folder = directory(id_of(ids, derived.count));
  const auto expected_file = [&scratch](const char* name) { return scratch + "/" + name; };
  const auto delta = [&] {
    return combine(table::resolve, derived.below, stack[derived.count - 1]);
  };
  std::vector<std::string> wrong;
  const auto compare = [&](const char* name, table::Table& expected) {
    expected.save(expected_file(name), false);
    if (!is_same_file(expected_file(name), folder + "/" + name)) wrong.emplace_back(name);
    sys::unlink(expected_file(name));
  };
  if (sys::exists(folder + "/table")) compare("table", derived.merged);
  if (derived.count > 0 && sys::exists(folder + "/delta")) {
    table::Table expected = delta();
    compare("delta", expected);
  }
  if (sys::exists(folder + "/plan")) {
    const auto plan = expected_plan(ids, derived);
    bool same_plan = false;
    bool same_index = false;
    if (plan) {
      const std::string text = plan->below
                                   ? index_into(expected_file("index"), delta(), *plan)
                                   : index_into(expected_file("index"), derived.merged, *plan);
      same_plan = sys::read_file(folder + "/plan", kMaxPlanBytes) == text;
      same_index = is_same_file(expected_file("index"), folder + "/index");
      sys::unlink(expected_file("index"));
    }
    if (!same_plan) wrong.emplace_back("plan");
    if (!same_index) wrong.emplace_back("index");
  }
  if (derived.count > 0 && sys::exists(folder + "/tree") &&
      !is_tree_right(folder + "/tree", delta())) {
    wrong.emplace_back("tree");
  }
  if (sys::exists(folder + "/init")) {
    const auto missing = missing_mount_points(derived.merged);
    const bool is_folder = sys::is_directory(folder + "/init");
    const bool same = missing ? is_folder && is_tree_right(folder + "/init", *missing) : !is_folder;
    if (!same) wrong.emplace_back("init");
  }
  return wrong;
}

// What the plan must be: a delta if it says so and its chain below has a plan, else of the whole
// stack. nullopt if it is damaged.
std::optional<Plan> ChainStore::expected_plan(const std::vector<digest::ChainId>& ids,
                                              const Derived& derived) const {
  Plan expected;
  try {
    const Plan plan = read_plan(id_of(ids, derived.count));
    if (!plan.below) {
      expected.entries = derived.merged.size();
      return expected;
    }
    if (derived.count < 2 || *plan.below != ids[derived.count - 2]) return std::nullopt;
    const Plan below = read_plan(*plan.below);
    expected.entries = below.entries;
    expected.depth = below.depth + 1;
    expected.below = plan.below;
    return expected;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::system) throw;
    return std::nullopt;  // damaged, or the one below is not there
  }
}

}  // namespace fastlayers::layer
