#include "sys/process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/signal.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace fastlayers::sys {

namespace {

constexpr std::size_t kStackBytes = 8 << 20;  // as a thread's; only what is touched is there
constexpr std::size_t kGuardBytes = 65536;
constexpr unsigned kPidfdThread = O_EXCL;              // PIDFD_THREAD of <linux/pidfd.h>
constexpr auto kWaitPidfd = static_cast<idtype_t>(3);  // P_PIDFD

class Stack {
 public:
  Stack()
      : bottom_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0)) {
    if (bottom_ == MAP_FAILED) throw_errno("make a stack");
    if (::mprotect(bottom_, kGuardBytes, PROT_NONE) != 0) throw_errno("guard a stack");
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
#if defined(__SANITIZE_ADDRESS__)
    // Whoever has executed a program has not come back from here: what he had is still marked.
    __asan_unpoison_memory_region(bottom_, kStackBytes);
#endif
    ::munmap(bottom_, kStackBytes);
  }
  void* bottom() const { return bottom_; }
  void* top() const { return static_cast<std::byte*>(bottom_) + kStackBytes; }

 private:
  void* bottom_;
};

// The way onto a new stack and back. The address sanitizer has to be told: it keeps track of
// stacks, and would else take what an exception leaves behind on this one for still in use.
struct Switch {
  int (*entry)(void*);
  void* argument;
  const Stack& stack;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  const void* old_bottom = nullptr;
  std::size_t old_bytes = 0;

  void leave() { __sanitizer_start_switch_fiber(&fake_stack, stack.bottom(), kStackBytes); }
  void arrive() { __sanitizer_finish_switch_fiber(nullptr, &old_bottom, &old_bytes); }
  void come_back(bool has_arrived) {
    if (has_arrived) __sanitizer_start_switch_fiber(nullptr, old_bottom, old_bytes);
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
  }
#else
  void leave() {}
  void arrive() {}
  void come_back(bool) {}
#endif
};

int enter(void* argument) {
  Switch& change = *static_cast<Switch*>(argument);
  change.arrive();
  return change.entry(change.argument);
}

[[noreturn]] void throw_spawn_failure(int error) {
  if (error == EPERM) {
    throw Error(ErrorKind::system,
                "making namespaces for a container is not permitted here: run as root "
                "(CAP_SYS_ADMIN is needed)",
                error);
  }
  throw_errno("start a process in namespaces of its own", error);
}

Child spawn(int (*entry)(void*), void* argument, int namespaces) {
  const Stack stack;
  const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | namespaces | SIGCHLD;
  // A change of identity in the child clears this property of the memory it shares with us.
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  int pidfd = -1;
  Switch change{entry, argument, stack};
  change.leave();
  const int pid = ::clone(enter, stack.top(), flags, &change, &pidfd);
  const int error = errno;
  change.come_back(pid > 0);
  if (dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1);
  if (pid < 0) throw_spawn_failure(error);
  return {pid, Fd(pidfd)};
}

}  // namespace

Child spawn_isolated(int (*entry)(void*), void* argument, const NewNamespaces& namespaces) {
  return spawn(entry, argument,
               CLONE_NEWNS | (namespaces.pid ? CLONE_NEWPID : 0) |
                   (namespaces.uts ? CLONE_NEWUTS : 0) | (namespaces.ipc ? CLONE_NEWIPC : 0) |
                   (namespaces.network ? CLONE_NEWNET : 0));
}

Child spawn_sharing(int (*entry)(void*), void* argument) { return spawn(entry, argument, 0); }

void bear_into(const Fd& leader) {
  if (::setns(leader.get(), CLONE_NEWPID) != 0) throw_errno("join the container's processes");
}

std::optional<Child> fork_sibling() {
  int pidfd = -1;
  const long pid =
      ::syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, 0);
  if (pid < 0) throw_errno("start a process in the container");
  if (pid == 0) {
    // Until it executes it holds a copy of our memory, and others of its user are around.
    ::prctl(PR_SET_DUMPABLE, 0);
    return std::nullopt;
  }
  return Child{static_cast<int>(pid), Fd(pidfd)};
}

Child child_of_number(int pid) {
  const long pidfd = ::syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) throw_errno("open a descriptor of a process in the container");
  return {pid, Fd(static_cast<int>(pidfd))};
}

Fd sealed_program(Bytes program) {
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC (Linux 6.3); older ones are always so
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd file(::memfd_create("fastlayers-porter", flags | kExecutable));
  if (!file && errno == EINVAL) file = Fd(::memfd_create("fastlayers-porter", flags));
  if (!file) throw_errno("make a program in memory");
  write_all(file.get(), program);
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) throw_errno("seal a program in memory");
  return file;
}

void leave_to_daemon(int keep, const std::function<void()>& work) {
  const BlockedSignals blocked;
  const pid_t child = ::fork();
  if (child < 0) throw_errno("start a process");
  if (child > 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  if (keep > 3) ::syscall(SYS_close_range, 3, keep - 1, 0);
  ::syscall(SYS_close_range, keep + 1, ~0U, 0);
  if (::chdir("/") == 0) {
    try {
      work();
    } catch (...) {
      // There is nobody to be told.
    }
  }
  ::_exit(0);
}

ExitState reap(const Fd& pidfd) {
  siginfo_t info{};
  int result;
  do {
    result = ::waitid(kWaitPidfd, static_cast<id_t>(pidfd.get()), &info, WEXITED | __WALL);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    throw_errno("wait for the container's process (was its exit status taken by other code?)");
  }
  return {info.si_status, info.si_code != CLD_EXITED};
}

bool send_signal(const Fd& pidfd, int signal) { return send_signal(pidfd.get(), signal); }

bool send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw_errno("signal the container's process");
}

int kill_signal() { return SIGKILL; }

void kill_group(const Child& leader) {
  if (::kill(-leader.pid, SIGKILL) != 0 && errno != ESRCH) throw_errno("end a process group");
}

Fd open_pidfd_of_caller() {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, ::gettid(), kPidfdThread));
  if (fd < 0 && errno == EINVAL) {
    fd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  }
  if (fd < 0) throw_errno("open a descriptor of this process");
  return Fd(fd);
}

}  // namespace fastlayers::sys
