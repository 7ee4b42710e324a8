#include "mount/root.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "base/error.hpp"
#include "erofs/index.hpp"
#include "erofs/sample.hpp"
#include "mount/overlay.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/probe.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::mount {

namespace {

bool is_root() {
  const sys::Fd self = sys::open("/proc/self", O_RDONLY | O_DIRECTORY);
  const bool root = sys::stat_fd(self.get()).st_uid == 0 && sys::in_initial_user_namespace();
  if (!root) MESSAGE("skipped: needs root");
  return root;
}

// A folder with indexes, upper and work; gone with this object.
class Store {
 public:
  explicit Store(const std::string& name = "") {
    top_ = std::filesystem::temp_directory_path() / sys::unique_name("fastlayers-mount-");
    path_ = top_ + name;
    for (const char* folder : {"/upper", "/work", "/merged", "/lower"}) {
      sys::make_dirs(path_ + folder, 0755);
    }
    // Where the file system of the tests allows no index file, loop devices serve.
    through_loop_ = !sys::probe(path_).erofs_file.yes;
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store() { sys::remove_tree(top_); }

  ErofsIndex index(const std::string& name, const erofs::Sample& sample) const {
    const std::string base = path_ + "/" + name;
    sys::write_file_atomic(base + ".tar", as_bytes(sample.tar()));
    const auto info = erofs::write_index(
        sample.table(), [&](std::uint32_t, bool) { return sample.tar().size(); }, base + ".erofs");
    ErofsIndex index{base + ".erofs", {}, through_loop_};
    if (!info.devices.empty()) index.devices.push_back(base + ".tar");
    return index;
  }
  Root writable(std::vector<Lower> lowers) const {
    return {std::move(lowers), path_ + "/upper", path_ + "/work", false};
  }
  const std::string& path() const { return path_; }

 private:
  std::string top_;
  std::string path_;
  bool through_loop_ = false;
};

std::string read(const sys::Fd& root, const std::string& path) {
  const sys::Fd file = sys::open_in_root(root.get(), path, O_RDONLY);
  std::string contents(1 << 20, '\0');
  const MutableBytes room = std::as_writable_bytes(std::span(contents));
  contents.resize(sys::read_at(file.get(), room, 0));
  return contents;
}

std::vector<std::string> list(const sys::Fd& root, const std::string& path) {
  return sys::list_dir(sys::open_in_root(root.get(), path, O_RDONLY | O_DIRECTORY).get());
}

void write(const sys::Fd& root, const std::string& path, const std::string& contents) {
  const sys::Fd file = sys::open_in_root(root.get(), path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  sys::write_all(file.get(), as_bytes(contents));
}

std::string mounts() { return sys::read_file("/proc/thread-self/mountinfo", 1 << 24); }

// Runs in a mount namespace of its own, as the container launcher does.
void in_own_namespace(const std::function<void()>& run) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      sys::enter_private_mounts();
      run();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

erofs::Sample base_sample() {
  erofs::Sample sample;
  sample.directory("etc");
  sample.file("etc/hosts", "base hosts");
  sample.file("etc/secret", "secret");
  sample.directory("opt");
  sample.file("opt/old", "old");
  sample.directory("opt/dir");
  sample.file("opt/dir/deep", "deep");
  sample.file("big", std::string(300000, 'b'));
  sample.symlink("link", "etc/hosts");
  return sample;
}

erofs::Sample delta_sample() {
  erofs::Sample sample;
  sample.directory("etc");
  sample.whiteout("etc/secret");
  sample.file("etc/added", "added");
  sample.directory("opt").entry.flags = table::kOpaque;
  sample.file("opt/new", "new");
  return sample;
}

// What base and delta must look like together.
void check_stack(const sys::Fd& root) {
  CHECK(list(root, "etc") == std::vector<std::string>{"added", "hosts"});
  CHECK(list(root, "opt") == std::vector<std::string>{"new"});
  CHECK(read(root, "etc/hosts") == "base hosts");
  CHECK(read(root, "etc/added") == "added");
  CHECK(read(root, "big") == std::string(300000, 'b'));
}

void check_writable(const sys::Fd& root, const Store& store) {
  write(root, "etc/hosts", "changed");
  write(root, "created", "created");
  CHECK(read(root, "etc/hosts") == "changed");
  CHECK(sys::read_file(store.path() + "/upper/etc/hosts", 100) == "changed");
  CHECK(sys::read_file(store.path() + "/upper/created", 100) == "created");
}

ErrorKind refusal(const Root& plan) {
  try {
    attach(plan);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).size() > 10);
    return error.kind();
  }
  FAIL("was not refused");
  return ErrorKind::system;
}

}  // namespace

TEST_CASE("a plan that makes no sense is refused before any mount") {
  CHECK(refusal({}) == ErrorKind::invalid);
  CHECK(refusal({{Directory{"/"}}, "/upper", "", false}) == ErrorKind::invalid);
  CHECK(refusal({std::vector<Lower>(501, Directory{"/"}), "", "", false}) == ErrorKind::limit);
}

TEST_CASE("a single index is mounted read-only, by file and through loop devices") {
  if (!is_root()) return;
  const Store store;
  ErofsIndex index = store.index("base", base_sample());
  for (const bool through_loop : {index.through_loop, true}) {
    index.through_loop = through_loop;
    const sys::Fd root = attach({{index}, "", "", false});
    CHECK(read(root, "etc/hosts") == "base hosts");
    CHECK(read(root, "link") == "base hosts");
    CHECK(read(root, "big") == std::string(300000, 'b'));
    CHECK(sys::stat_at(root.get(), "opt").st_nlink == 3);
    CHECK_THROWS_AS(write(root, "new", "x"), Error);
  }
}

TEST_CASE("a single directory is a read-only bind") {
  if (!is_root()) return;
  const Store store;
  sys::write_file_atomic(store.path() + "/lower/file", as_bytes("x"));
  const sys::Fd root = attach({{Directory{store.path() + "/lower"}}, "", "", false});
  CHECK(read(root, "file") == "x");
  CHECK_THROWS_AS(write(root, "file", "y"), Error);
}

TEST_CASE("a delta index hides what it deletes, under an upper") {
  if (!is_root()) return;
  const std::string before = mounts();
  for (const bool through_loop : {false, true}) {
    const Store store;
    ErofsIndex base = store.index("base", base_sample());
    ErofsIndex delta = store.index("delta", delta_sample());
    base.through_loop |= through_loop;
    delta.through_loop |= through_loop;
    const sys::Fd root = attach(store.writable({base, delta}));
    check_stack(root);
    check_writable(root, store);
    CHECK(mounts() == before);
  }
}

TEST_CASE("lowers by path, from a namespace of their own, give the same as by descriptor") {
  if (!is_root()) return;
  const Store store;
  sys::write_file_atomic(store.path() + "/lower/fromdir", as_bytes("dir"));
  const Root plan =
      store.writable({store.index("base", base_sample()), store.index("delta", delta_sample()),
                      Directory{store.path() + "/lower"}});
  for (const Layers layers : {Layers::joined, Layers::attached}) {
    sys::Fd root;
    in_own_namespace([&] {
      const std::string before = mounts();
      root = mount_overlay(plan, layers);
      CHECK(mounts() == before);
    });
    check_stack(root);
    CHECK(read(root, "fromdir") == "dir");
    if (layers == Layers::attached) check_writable(root, store);
  }
}

TEST_CASE("old kernels are told of a few lowers only, and the rest is refused clearly") {
  if (!is_root()) return;
  const Store store;
  std::vector<Lower> lowers;
  for (int i = 0; i < 200; ++i) {
    lowers.push_back(Directory{store.path() + "/lower" + std::to_string(i)});
    sys::make_dirs(std::get<Directory>(lowers.back()).path, 0755);
  }
  const Root few = store.writable({lowers.begin(), lowers.begin() + 40});
  in_own_namespace([&] { CHECK(mount_overlay(few, Layers::joined).get() >= 0); });
  const Root many = store.writable(lowers);
  in_own_namespace([&] { CHECK_THROWS_AS(mount_overlay(many, Layers::joined), Error); });
}

TEST_CASE("attach_here leaves the namespace as it was") {
  if (!is_root()) return;
  const Store store;
  const Root plan =
      store.writable({store.index("base", base_sample()), store.index("delta", delta_sample())});
  in_own_namespace([&] {
    const std::string before = mounts();
    sys::Fd root = attach_here(plan);
    CHECK(mounts() == before);
    check_stack(root);
    move_to(root, store.path() + "/merged");
    root.close();  // it would keep the mount busy
    CHECK(mounts() != before);
    CHECK(sys::read_file(store.path() + "/merged/etc/added", 100) == "added");
    detach(store.path() + "/merged");
    CHECK(mounts() == before);
  });
}

TEST_CASE("an upper can be mounted read-only") {
  if (!is_root()) return;
  const Store store;
  Root plan = store.writable({store.index("base", base_sample())});
  plan.read_only = true;
  const sys::Fd root = attach(plan);
  CHECK(read(root, "etc/hosts") == "base hosts");
  CHECK_THROWS_AS(write(root, "new", "x"), Error);
}

TEST_CASE("several lowers without an upper are read-only") {
  if (!is_root()) return;
  const Store store;
  const sys::Fd root = attach(
      {{store.index("base", base_sample()), store.index("delta", delta_sample())}, "", "", false});
  check_stack(root);
  CHECK_THROWS_AS(write(root, "new", "x"), Error);
}

TEST_CASE("paths that are long or have characters that options give a meaning") {
  if (!is_root()) return;
  const std::string component = "/" + std::string(120, 'l');
  for (const std::string& name :
       {std::string("/a:b,c=d\\e\\:f g"), component + component + component}) {
    const Store store(name);
    const Root plan =
        store.writable({store.index("base", base_sample()), Directory{store.path() + "/lower"},
                        store.index("delta", delta_sample())});
    check_stack(attach(plan));
    in_own_namespace([&] { check_stack(mount_overlay(plan, Layers::attached)); });
    in_own_namespace([&] { check_stack(mount_overlay(plan, Layers::joined)); });
  }
}

TEST_CASE("containers of one image at the same time") {
  if (!is_root()) return;
  const Store one;
  const Store two;
  const std::vector<Lower> lowers{one.index("base", base_sample())};
  std::vector<std::thread> threads;
  for (const Store* store : {&one, &two}) {
    threads.emplace_back([&lowers, store] {
      for (int i = 0; i < 20; ++i) {
        const sys::Fd root = attach(store->writable(lowers));
        REQUIRE(read(root, "etc/hosts") == "base hosts");
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_CASE("messages name the file that is missing or wrong") {
  if (!is_root()) return;
  const Store store;
  ErofsIndex index = store.index("base", base_sample());
  const std::string tar = index.devices[0];
  index.devices = {tar + "-absent"};
  try {
    attach({{index}, "", "", false});
    FAIL("was mounted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(std::string(error.what()).find(tar + "-absent") != std::string::npos);
  }
  ErofsIndex bogus{tar, {}, index.through_loop};
  CHECK(refusal({{bogus}, "", "", false}) == ErrorKind::corrupt);
  CHECK(refusal(store.writable({bogus})) == ErrorKind::corrupt);
  CHECK(refusal(store.writable({Directory{store.path() + "/absent"}})) == ErrorKind::system);
}

TEST_CASE("what is not a mount point is not detached") {
  if (!is_root()) return;
  const Store store;
  try {
    detach(store.path() + "/merged");
    FAIL("was detached");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid);
  }
  CHECK_THROWS_AS(detach(store.path() + "/absent"), Error);
}

}  // namespace fastlayers::mount
