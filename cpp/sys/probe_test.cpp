#include "sys/probe.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/file_system.hpp"
#include "sys/loop.hpp"
#include "sys/mount_api.hpp"

namespace fastlayers::sys {

namespace {

// A folder that is gone with this object.
struct Folder {
  explicit Folder(const std::string& parent) : path(parent + "/" + unique_name("fastlayers-")) {
    make_dirs(path, 0700);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { remove_tree(path); }
  std::string path;
};

bool is_root() {
  const bool root = stat_fd(open("/proc/self", O_RDONLY | O_DIRECTORY).get()).st_uid == 0;
  if (!root) MESSAGE("skipped: needs root");
  return root;
}

}  // namespace

TEST_CASE("a probe says why and leaves nothing behind") {
  const Folder folder(std::filesystem::temp_directory_path());
  const Probe result = probe(folder.path);
  CHECK(!result.kernel.empty());
  for (const Answer& answer : {result.erofs_file, result.erofs_loop, result.overlay}) {
    CHECK(!answer.why.empty());
  }
  CHECK(list_dir(open(folder.path, O_RDONLY | O_DIRECTORY).get()).empty());
}

TEST_CASE("FASTLAYERS_FORBID takes away what it names") {
  const Folder folder(std::filesystem::temp_directory_path());
  ::setenv("FASTLAYERS_FORBID", "overlay,erofs-loop", 1);
  const Probe some = probe(folder.path);
  ::setenv("FASTLAYERS_FORBID", "erofs-file,erofs-loop,overlay", 1);
  const Probe none = probe(folder.path);
  ::unsetenv("FASTLAYERS_FORBID");
  CHECK(some.erofs_file.why.find("FORBID") == std::string::npos);
  CHECK(!some.erofs_loop.yes);
  CHECK(!some.overlay.yes);
  CHECK(!none.erofs_file.yes);
  CHECK(none.erofs_file.why == "forbidden by FASTLAYERS_FORBID");
}

TEST_CASE("a folder that cannot be written answers no") {
  const Probe result = probe("/proc/self");
  CHECK(!result.erofs_file.yes);
  CHECK(!result.overlay.yes);
}

TEST_CASE("on tmpfs an index file is refused and a loop device serves") {
  if (!is_root()) return;
  if (file_system_name("/dev/shm") != "tmpfs") return;
  const Folder folder("/dev/shm");
  const Probe result = probe(folder.path);
  if (!result.erofs_file.yes) CHECK(result.erofs_file.why.find("tmpfs") != std::string::npos);
  CHECK_MESSAGE(result.erofs_loop.yes, result.erofs_loop.why);
}

TEST_CASE("a loop device shows its file and goes away with its last user") {
  if (!is_root()) return;
  const Folder folder(std::filesystem::temp_directory_path());
  const std::string file = folder.path + "/file";
  write_file_atomic(file, as_bytes(std::string(1024, 'x')));
  std::string path;
  {
    const LoopDevice loop(file);
    path = loop.path();
    CHECK(read_file(path, 4096) == std::string(1024, 'x'));
    CHECK_THROWS_AS(write_all(open(path, O_WRONLY).get(), as_bytes("y")), Error);
    const LoopDevice other(file);
    CHECK(other.path() != path);
  }
  // The kernel lets go of a device some time after its last close.
  std::string left = "x";
  for (int i = 0; i < 200 && !left.empty(); ++i) {
    left = read_file(path, 4096);
    if (!left.empty()) ::usleep(10000);
  }
  CHECK(left.empty());
  CHECK_THROWS_AS(LoopDevice(folder.path + "/absent"), Error);
}

TEST_CASE("file systems that do not exist and bad options name themselves") {
  if (!is_root()) return;
  CHECK_THROWS_WITH_AS(FsContext("no-such-fs"), "this kernel has no file system no-such-fs", Error);
  FsContext context("tmpfs");
  try {
    context.set_string("no-such-option", "value");
    FAIL("was accepted");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find("no-such-option") != std::string::npos);
    CHECK(message.find("Unknown parameter") != std::string::npos);  // from the kernel's log
  }
}

}  // namespace fastlayers::sys
