#include "sys/credentials.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/user_namespace.hpp"

namespace fastlayers::sys {

namespace {

static_assert(capability::dac_read_search == CAP_DAC_READ_SEARCH &&
              capability::sys_module == CAP_SYS_MODULE && capability::sys_rawio == CAP_SYS_RAWIO &&
              capability::sys_chroot == CAP_SYS_CHROOT &&
              capability::sys_ptrace == CAP_SYS_PTRACE && capability::sys_pacct == CAP_SYS_PACCT &&
              capability::sys_admin == CAP_SYS_ADMIN && capability::sys_boot == CAP_SYS_BOOT &&
              capability::sys_nice == CAP_SYS_NICE && capability::sys_time == CAP_SYS_TIME &&
              capability::sys_tty_config == CAP_SYS_TTY_CONFIG &&
              capability::syslog == CAP_SYSLOG && capability::perfmon == 38 &&
              capability::bpf == 39);  // newer than some headers

constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

int reduce_bounding_set(std::uint64_t keep, int last) noexcept {
  for (int capability = 0; capability <= last; ++capability) {
    if ((keep & bit(capability)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability) != 0) return errno;
  }
  return 0;
}

int set_capabilities(std::uint64_t wanted) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  // A sandbox around us may have taken some away already: those cannot be given.
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  for (int word = 0; word < 2; ++word) {
    const auto mask = static_cast<std::uint32_t>(wanted >> (32 * word));
    data[word].permitted &= mask;
    data[word].effective = data[word].permitted;
    data[word].inheritable = 0;
  }
  return ::syscall(SYS_capset, &header, data) != 0 ? errno : 0;
}

}  // namespace

std::uint64_t default_capabilities() {
  return bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) |
         bit(CAP_MKNOD) | bit(CAP_NET_RAW) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETFCAP) |
         bit(CAP_SETPCAP) | bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) | bit(CAP_KILL) |
         bit(CAP_AUDIT_WRITE);
}

int last_capability() {
  static const int last = [] {
    int capability = 0;
    while (capability < 63 && ::prctl(PR_CAPBSET_READ, capability + 1) >= 0) ++capability;
    return capability;
  }();
  return last;
}

std::uint64_t bounding_set() {
  std::uint64_t found = 0;
  for (int capability = 0; capability <= last_capability(); ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability) == 1) found |= std::uint64_t{1} << capability;
  }
  return found;
}

int become(const Credentials& credentials, int last) noexcept {
  if (const int error = reduce_bounding_set(credentials.capabilities, last)) return error;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_SET_SECUREBITS, 0) != 0) return errno;
  if (::prctl(PR_SET_KEEPCAPS, 1) != 0) return errno;  // until execve(2)
  // With one id there is nobody else to become, and perhaps a listener that would be asked.
  if (!has_single_id()) {
    if (::syscall(SYS_setgroups, credentials.group_count, credentials.groups) != 0) return errno;
    const unsigned gid = credentials.gid;
    if (::syscall(SYS_setresgid, gid, gid, gid) != 0) return errno;
    const unsigned uid = credentials.uid;
    if (::syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
  }
  return set_capabilities(~std::uint64_t{0});  // effective again what is permitted
}

int drop_capabilities(const Credentials& credentials) noexcept {
  return set_capabilities(credentials.uid == 0 ? credentials.capabilities : 0);
}

}  // namespace fastlayers::sys
