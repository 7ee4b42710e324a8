#include "tree/tree_writer.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "erofs/sample.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::tree {

namespace {

// A file system in memory that keeps no attribute at all, mounted nowhere.
sys::Fd attributeless_root() {
  sys::FsContext context("ramfs");
  context.create();
  const sys::Fd mount = context.mount(sys::Access::read_write);
  return sys::open_at(mount.get(), ".", O_RDONLY | O_DIRECTORY);
}

bool may_mount() {
  const sys::Fd self = sys::open("/proc/self", O_RDONLY | O_DIRECTORY);
  const bool root = sys::stat_fd(self.get()).st_uid == 0 && sys::in_initial_user_namespace();
  if (!root) MESSAGE("skipped: needs root");
  return root;
}

}  // namespace

// EDGE-CASES G5: an attribute that a file system refuses is no reason to lose the image, a
// capability is: programs would fail without it.
TEST_CASE("a file system without attributes loses all but capabilities") {
  if (!may_mount()) return;
  erofs::Sample sample;
  sample.file("plain", "contents").xattrs = {{"user.note", "x"}};
  const sys::TemporaryFile file = sys::create_temporary(std::filesystem::temp_directory_path());
  const sys::Fd& data = file.fd;
  sys::write_all(data.get(), as_bytes(sample.tar()));
  const auto layer = [&](std::uint32_t, bool) { return data.get(); };
  const sys::Fd root = attributeless_root();
  write_tree(sample.table(), root.get(), layer, {});
  CHECK(sys::list_dir(root.get()).size() == 1);

  sample.file("tool", "").xattrs = {{"security.capability", std::string(20, '\1')}};
  const sys::Fd other = attributeless_root();
  CHECK_THROWS_WITH_AS(write_tree(sample.table(), other.get(), layer, {}),
                       doctest::Contains("does not keep security.capability"), Error);
}

}  // namespace fastlayers::tree
