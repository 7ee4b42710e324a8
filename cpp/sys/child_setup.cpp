#include "sys/child_setup.hpp"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>

namespace fastlayers::sys::child {

namespace {

int result_of(long result) noexcept { return result < 0 ? errno : 0; }

}  // namespace

int set_limit(int resource, unsigned long long soft, unsigned long long hard) noexcept {
  const unsigned long long limits[2] = {soft, hard};  // as prlimit64(2) has them, everywhere
  return result_of(::syscall(SYS_prlimit64, 0, resource, limits, nullptr));
}

int own_descriptors() noexcept { return result_of(::unshare(CLONE_FILES)); }

void default_signals() noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  // Fails for KILL, STOP and libc's own two, which is as it should be.
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
}

void unblock_signals() noexcept {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_file_mask(unsigned mask) noexcept { ::umask(mask); }

int new_session() noexcept { return result_of(::setsid()); }

int new_session_keyring() noexcept {
  const long result = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  return result < 0 && errno != ENOSYS && errno != EPERM ? errno : 0;
}

int install_stdio(const int (&fds)[3]) noexcept {
  for (int target = 0; target < 3; ++target) {
    if (::dup2(fds[target], target) < 0) return errno;
  }
  return 0;
}

int take_terminal() noexcept { return result_of(::ioctl(0, TIOCSCTTY, 0)); }

int die_with_parent(int parent) noexcept {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
  // From here on its end kills us; an end before that shows on its descriptor. getppid() would
  // not do: in a new PID namespace it is always 0.
  pollfd watch{parent, POLLIN, 0};
  if (::poll(&watch, 1, 0) < 0) return errno;
  return watch.revents != 0 ? ESRCH : 0;
}

int adopt_orphans() noexcept { return result_of(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }

int close_from(int first) noexcept {
  return result_of(::syscall(SYS_close_range, first, UINT_MAX, 0));
}

int gather(std::span<int> fds, int first) noexcept {
  const int behind = first + static_cast<int>(fds.size());
  for (int& fd : fds) {
    const int above = ::fcntl(fd, F_DUPFD_CLOEXEC, behind);
    if (above < 0) return errno;
    fd = above;
  }
  for (int& fd : fds) {
    const int number = first + static_cast<int>(&fd - fds.data());
    if (::dup3(fd, number, number == behind - 1 ? O_CLOEXEC : 0) < 0) return errno;
    fd = number;
  }
  return close_from(behind);
}

void say(int fd, const void* bytes, unsigned long count) noexcept {
  [[maybe_unused]] const auto written = ::write(fd, bytes, count);
}

bool may_execute(const char* path) noexcept {
  struct stat status {};
  if (::stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (::syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return true;
  // An older seccomp profile does not know the call; the kernel itself never says EPERM here.
  return errno == EPERM || errno == ENOSYS;
}

int execute(const char* path, char* const argv[], char* const envp[]) noexcept {
  ::execve(path, argv, envp);
  return errno;
}

int execute_open(int fd, char* const argv[], char* const envp[]) noexcept {
  ::syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
  return errno;
}

void leave(int code) noexcept { ::_exit(code); }

}  // namespace fastlayers::sys::child
