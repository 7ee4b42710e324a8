// Real containers, of a root that holds nothing but a static busybox.
#include "run/launch.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/probe.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

namespace fs = std::filesystem;

constexpr const char* kBusybox = "/bin/busybox";
constexpr const char* kApplets[] = {"sh",    "cat", "id",   "true", "head", "ls",  "grep",
                                    "mount", "env", "stat", "pwd",  "wc",   "yes", "touch"};

// A container's directories; gone with this object.
class Box {
 public:
  Box() : path_(fs::temp_directory_path() / sys::unique_name("fastlayers-box-")) {
    for (const char* name :
         {"root/bin", "root/proc", "root/dev", "root/sys", "root/etc", "upper", "work"}) {
      fs::create_directories(path_ / name);
    }
    fs::copy_file(kBusybox, path_ / "root/bin/busybox");
    for (const char* name : kApplets) fs::create_symlink("busybox", path_ / "root/bin" / name);
    write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
    write("root/etc/group", "root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n");
    spec.directory = path_;
    spec.root.lowers = {mount::Directory{path_ / "root"}};
    spec.root.upper = path_ / "upper";
    spec.root.work = path_ / "work";
    spec.hostname = "box";
    spec.interactive = false;
  }
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;
  ~Box() { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string path(const std::string& name) const { return path_ / name; }

  ExitStatus run(std::vector<std::string> argv) {
    spec.argv = std::move(argv);
    return launch(spec, nullptr);
  }
  // What the shell script writes, through the log of a detached container.
  std::string output(const std::string& script) {
    fs::remove(path_ / "log");
    spec.attach = false;
    spec.log = true;
    run({"sh", "-c", script});
    return read("log");
  }
  ErrorKind failure(std::vector<std::string> argv) {
    try {
      run(std::move(argv));
    } catch (const Error& error) {
      return error.kind();
    }
    FAIL("it ran");
    return ErrorKind::system;
  }

  LaunchSpec spec;

 private:
  fs::path path_;
};

bool can_run() {
  static const std::string obstacle = [] {
    if (sys::stat_fd(sys::open("/proc/self", O_RDONLY).get()).st_uid != 0) return "needs root";
    if (!sys::exists(kBusybox)) return "needs a static /bin/busybox";
    return sys::probe(fs::temp_directory_path()).overlay.yes ? "" : "needs overlayfs";
  }();
  if (!obstacle.empty()) MESSAGE("skipped: " << obstacle);
  return obstacle.empty();
}

std::size_t count_entries(const char* directory) {
  return sys::list_dir(sys::open(directory, O_RDONLY | O_DIRECTORY).get()).size();
}

bool is_mounted(const std::string& path) {
  return sys::read_file("/proc/self/mountinfo", 1 << 24).find(path) != std::string::npos;
}

}  // namespace

TEST_CASE("a container's exit code is its command's") {
  if (!can_run()) return;
  Box box;
  CHECK(box.run({"true"}).code == 0);
  CHECK(box.run({"sh", "-c", "exit 7"}).code == 7);
  int pid = 0;
  box.spec.argv = {"sh", "-c", "kill -9 $$; exit 3"};  // PID 1 cannot end itself by a signal
  CHECK(launch(box.spec, [&](int child) { pid = child; }).code == 3);
  CHECK(pid > 1);
}

TEST_CASE("a container killed from outside tells the signal") {
  if (!can_run()) return;
  Box box;
  box.spec.argv = {"sh", "-c", "while :; do :; done"};
  const ExitStatus status = launch(box.spec, [](int pid) { ::kill(pid, SIGKILL); });
  CHECK(status.code == 137);
  CHECK(status.signalled);
}

TEST_CASE("an error of `started` ends the container") {
  if (!can_run()) return;
  Box box;
  box.spec.argv = {"sh", "-c", "while :; do :; done"};
  int pid = 0;
  const auto started = [&](int child) {
    pid = child;
    throw Error(ErrorKind::conflict, "no");
  };
  CHECK_THROWS_AS(launch(box.spec, started), Error);
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a command that cannot be executed is told apart") {
  if (!can_run()) return;
  Box box;
  box.write("root/bin/junk",
            "\x7f"
            "ELF and no more");
  fs::permissions(box.path("root/bin/junk"), fs::perms::owner_exec, fs::perm_options::add);
  CHECK(box.failure({"nosuch"}) == ErrorKind::command_not_found);
  CHECK(box.failure({"/etc"}) == ErrorKind::not_executable);
  CHECK(box.failure({"/etc/passwd"}) == ErrorKind::not_executable);
  CHECK(box.failure({"junk"}) == ErrorKind::not_executable);
  CHECK(box.failure({"/proc/self/exe"}) != ErrorKind::system);
  box.spec.user = "alice";  // the file is root's alone
  CHECK(box.failure({"/bin/junk"}) == ErrorKind::not_executable);
  CHECK(box.failure({"junk"}) == ErrorKind::command_not_found);
  box.spec.user = "nobody-here";
  CHECK(box.failure({"true"}) == ErrorKind::invalid);
}

TEST_CASE("identity, capabilities and environment are Docker's") {
  if (!can_run()) return;
  Box box;
  CHECK(box.output("id -u; grep CapEff /proc/self/status; echo $HOME $HOSTNAME $$; umask") ==
        "0\nCapEff:\t00000000a80425fb\n/root box 1\n0022\n");
  box.spec.user = "alice";
  CHECK(
      box.output("id -u; id -G; grep CapEff /proc/self/status; echo $HOME; echo x >/dev/stdout") ==
      "1000\n1000 10\nCapEff:\t0000000000000000\n/home/alice\nx\n");
}

TEST_CASE("a container sees nothing of the host's descriptors and mounts") {
  if (!can_run()) return;
  Box box;
  const sys::Fd secret = sys::duplicate_above_stdio(sys::open("/", O_RDONLY).get());
  CHECK(box.output("ls /proc/self/fd | wc -l") == "4\n");  // stdio, and the one ls opened
  CHECK(box.output("ls /proc | grep -c '^[0-9]'").size() == 2);
  CHECK(box.output("grep -c merged /proc/self/mountinfo") == "0\n");
  CHECK(box.output("exec 2>&1; echo x > /proc/sys/kernel/hostname; touch /sys/x; echo done")
            .ends_with("done\n"));
  CHECK(box.output("cat /proc/keys /proc/timer_list | wc -c") == "0\n");
}

TEST_CASE("devices work where the engine put them and nowhere else") {
  if (!can_run()) return;
  Box box;
  CHECK(box.output("head -c 3 /dev/zero | wc -c; echo x > /dev/null; ls /dev/pts/ptmx") ==
        "3\n/dev/pts/ptmx\n");
  CHECK(box.output("busybox mknod /null c 1 3; busybox mknod /dev/n c 1 3;"
                   "cat /null /dev/n 2>&1 | grep -c denied") == "2\n");
}

TEST_CASE("the working directory is made, and lies inside") {
  if (!can_run()) return;
  Box box;
  box.spec.cwd = "/new/deep/../place";
  CHECK(box.output("pwd; stat -c '%u %a' /new/place") == "/new/place\n0 755\n");
  box.spec.cwd = "/proc/self/cwd";
  CHECK(box.failure({"true"}) == ErrorKind::traversal);
  box.spec.cwd = "relative";
  CHECK(box.failure({"true"}) == ErrorKind::invalid);
}

TEST_CASE("generated files are mounted on what the root has") {
  if (!can_run()) return;
  Box box;
  box.write("hosts", "127.0.0.1 box\n");
  CHECK(box.failure({"true"}) == ErrorKind::invalid);
  box.write("root/etc/hosts", "");
  CHECK(box.output("cat /etc/hosts; echo changed > /etc/hosts") == "127.0.0.1 box\n");
  CHECK(box.read("hosts") == "changed\n");
  CHECK(!sys::exists(box.path("upper/etc/hosts")));
}

TEST_CASE("volumes are mounted inside the root, read-only if asked, filled if asked") {
  if (!can_run()) return;
  Box box;
  fs::create_directories(box.path("volume"));
  fs::create_directories(box.path("root/data/sub"));
  box.write("root/data/sub/file", "of the image\n");
  fs::create_symlink("/elsewhere", box.path("root/link"));
  box.spec.binds = {{box.path("volume"), "/link/here", true, false}};
  CHECK(box.output("touch /elsewhere/here/x 2>&1 | grep -c Read-only; stat -L -c %F /link") ==
        "1\ndirectory\n");
  box.spec.binds = {{box.path("volume"), "/data", false, true}};
  CHECK(box.output("cat /data/sub/file; touch /data/mine") == "of the image\n");
  CHECK(box.read("volume/sub/file") == "of the image\n");
  CHECK(sys::exists(box.path("volume/mine")));
  for (const char* target : {"/", "/proc", "/proc/sys/x", "relative"}) {
    box.spec.binds = {{box.path("volume"), target, false, false}};
    CHECK_THROWS_AS(box.run({"true"}), Error);
  }
}

TEST_CASE("system mount points that are links are refused") {
  if (!can_run()) return;
  for (const char* name : {"proc", "dev", "sys"}) {
    Box box;
    fs::remove(box.path("root") + "/" + name);
    fs::create_symlink("/etc", box.path("root") + "/" + name);
    CHECK(box.failure({"true"}) == ErrorKind::invalid);
  }
}

TEST_CASE("a read-only root is read-only, but not its volatile parts") {
  if (!can_run()) return;
  Box box;
  box.spec.read_only = true;
  CHECK(box.output("touch /x 2>&1 | grep -c Read-only; touch /dev/shm/x && echo shm") ==
        "1\nshm\n");
}

TEST_CASE("a network of its own has a loopback interface only") {
  if (!can_run()) return;
  Box box;
  box.spec.network = Network::none;
  CHECK(box.output("ls /sys/class/net; cat /sys/class/net/lo/operstate; "
                   "busybox ip addr show lo | grep -c 127.0.0.1") == "lo\nunknown\n1\n");
}

TEST_CASE("a detached terminal is drained into the log") {
  if (!can_run()) return;
  Box box;
  box.spec.tty = true;
  CHECK(box.output("test -t 0 && test -t 1 && echo $TERM; ls /dev/console") ==
        "xterm\r\n/dev/console\r\n");
}

TEST_CASE("all output is there when launch returns") {
  if (!can_run()) return;
  Box box;
  CHECK(box.output("head -c 3000000 /dev/zero; (busybox sleep 100; echo late) & echo end").size() ==
        3000004);
}

TEST_CASE("a reader that leaves ends the writer") {
  if (!can_run()) return;
  Box box;
  sys::Pipe pipe = sys::open_pipe();
  pipe.read_end.close();
  box.spec.log = true;  // relayed, so that it is our doing
  box.spec.stdout_fd = pipe.write_end.get();
  CHECK(box.run({"sh", "-c", "while echo x; do :; done 2>/dev/null; exit 5"}).code == 5);
}

TEST_CASE("the caller's signal handlers are back afterwards") {
  if (!can_run()) return;
  Box box;
  struct sigaction mine {};
  mine.sa_handler = [](int) {};
  struct sigaction before {};
  ::sigaction(SIGINT, &mine, &before);
  CHECK(box.run({"true"}).code == 0);
  CHECK_THROWS_AS(box.run({"nosuch"}), Error);
  struct sigaction after {};
  ::sigaction(SIGINT, &before, &after);
  CHECK((after.sa_handler == mine.sa_handler));
}

TEST_CASE("a signal to the caller reaches the container") {
  if (!can_run()) return;
  Box box;
  box.spec.argv = {"sh", "-c", "trap 'exit 9' TERM; touch /ready; while :; do :; done"};
  std::thread sender;
  const auto started = [&](int) {
    sender = std::thread([&] {
      while (!sys::exists(box.path("upper/ready"))) std::this_thread::yield();
      ::kill(::getpid(), SIGTERM);
    });
  };
  CHECK(launch(box.spec, started).code == 9);
  sender.join();
}

TEST_CASE("many launches, also at once, leave nothing behind") {
  if (!can_run()) return;
  Box warm;
  warm.run({"true"});
  const std::size_t descriptors = count_entries("/proc/self/fd");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      Box box;
      for (int n = 0; n < 10; ++n) {
        box.spec.kill_with_parent = n % 2 == 0;
        box.spec.log = n % 3 == 0;
        good += box.run({"true"}).code == 0 ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 30);
  CHECK(!is_mounted("fastlayers-box-"));
  CHECK(count_entries("/proc/self/fd") == descriptors);
  CHECK(count_entries("/proc/self/task") == 1);
}

}  // namespace fastlayers::run
