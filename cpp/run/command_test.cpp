#include "run/command.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "run/target.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

namespace fs = std::filesystem;

// A root of a few files; gone with this object.
class Root {
 public:
  Root() : path_(fs::temp_directory_path() / sys::unique_name("fastlayers-root-")) {
    fs::create_directories(path_ / "bin");
    fs::create_directories(path_ / "usr/bin");
    fd_ = sys::open(path_, O_PATH | O_DIRECTORY);
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { fs::remove_all(path_); }

  void add(const std::string& name, const std::string& text, bool executable) const {
    std::ofstream(path_ / name) << text;
    if (executable) fs::permissions(path_ / name, fs::perms::owner_exec, fs::perm_options::add);
  }
  void link(const std::string& name, const std::string& target) const {
    fs::create_symlink(target, path_ / name);
  }
  bool has_directory(const std::string& name) const { return fs::is_directory(path_ / name); }
  int fd() const { return fd_.get(); }

 private:
  fs::path path_;
  sys::Fd fd_;
};

ErrorKind kind_of_failure(const Root& root, const std::string& name) {
  try {
    find_command(root.fd(), name, "/usr/bin:/bin", "/");
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("found: " << name);
  return ErrorKind::system;
}

}  // namespace

TEST_CASE("PATH is searched in order, relative directories never") {
  CHECK(candidate_paths("ls", "/usr/bin:.::bin:/bin/") ==
        std::vector<std::string>{"/usr/bin/ls", "/bin/ls"});
  CHECK(candidate_paths("ls", "").empty());
}

TEST_CASE("a command is found where it can be executed") {
  const Root root;
  root.add("usr/bin/tool", "", false);
  root.add("bin/tool", "#!/bin/sh\n", true);
  root.add("bin/sh",
           "\x7f"
           "ELF",
           true);
  root.link("bin/alias", "/bin/tool");
  CHECK(find_command(root.fd(), "tool", "/usr/bin:/bin", "/").candidates ==
        std::vector<std::string>{"/bin/tool"});
  CHECK(find_command(root.fd(), "alias", "/bin", "/").searched);
  CHECK(find_command(root.fd(), "./tool", "", "/bin").candidates ==
        std::vector<std::string>{"./tool"});
}

TEST_CASE("what cannot be executed is told apart") {
  const Root root;
  root.add("bin/data", "x", false);
  root.add("bin/orphan", "#! /nowhere/sh -e\n", true);
  CHECK(kind_of_failure(root, "nosuch") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "data") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "/bin/nosuch") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "/bin/orphan") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "/bin/data") == ErrorKind::not_executable);
  CHECK(kind_of_failure(root, "/bin") == ErrorKind::not_executable);
}

TEST_CASE("links do not lead out of the root") {
  const Root root;
  root.link("bin/out", "../../../../../../../../bin/sh");
  root.link("bin/absolute", "/bin/cat");
  CHECK(kind_of_failure(root, "/bin/out") == ErrorKind::command_not_found);
  CHECK(kind_of_failure(root, "absolute") == ErrorKind::command_not_found);
}

TEST_CASE("paths are cleaned as text") {
  CHECK(clean_path("/a/./b//../c/", "x") == "/a/c");
  CHECK(clean_path("/../..", "x") == "/");
  CHECK_THROWS_AS(clean_path("a", "x"), Error);
  CHECK_THROWS_AS(clean_path("", "x"), Error);
}

TEST_CASE("a missing target is made inside the root, through dangling links as well") {
  const Root root;
  root.link("var", "/data/var");
  root.link("up", "../../../../outside");
  root.link("loop", "loop");
  root.add("file", "", false);
  open_or_create(root.fd(), "/var/lib/x", TargetKind::directory);
  CHECK(root.has_directory("data/var/lib/x"));
  open_or_create(root.fd(), "/up/y", TargetKind::directory);
  CHECK(root.has_directory("outside/y"));
  open_or_create(root.fd(), "/etc/conf", TargetKind::file);
  CHECK(!root.has_directory("etc/conf"));
  CHECK_THROWS_AS(open_or_create(root.fd(), "/loop/x", TargetKind::directory), Error);
  CHECK_THROWS_AS(open_or_create(root.fd(), "/file/x", TargetKind::directory), Error);
  CHECK_THROWS_AS(open_or_create(root.fd(), "/file", TargetKind::directory), Error);
  CHECK_THROWS_AS(open_or_create(root.fd(), "/bin", TargetKind::file), Error);
}

TEST_CASE("a system mount point must be a directory of the root") {
  const Root root;
  root.link("proc", "bin");
  root.add("dev", "", false);
  CHECK_NOTHROW(open_system_point(root.fd(), "bin"));
  for (const char* name : {"proc", "dev", "sys"}) {
    CHECK_THROWS_AS(open_system_point(root.fd(), name), Error);
  }
}

}  // namespace fastlayers::run
