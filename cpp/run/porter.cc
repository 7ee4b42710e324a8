// The porter: the program that a process executes first, from sealed memory, where others in the
// container or of its volumes are at work, and that executes the command. What /proc/self/exe leads
// to is never a file of the host then, however the container's programs are exchanged meanwhile
// (CVE-2019-5736), and nothing of our memory is left. It stands alone: no libc, no start-up, a page
// of code.
//
// If its name is "init", or a path because an OCI runtime executes it, it stays as the container's
// first process, and a child executes the command: signals go on to that, what ends is reaped, and
// its end is the end of the container.
//
// If it is "join" or "join-terminal", it has become all that it is to be but a process of the
// container, which a sibling becomes that executes the command. So the container's processes never
// see one that could do more than they, or holds memory of ours.
//
// Arguments: name, candidates, an empty one, the command's own. Descriptor kReport takes a Failure.
// kNumber is a page of shared memory, at whose beginning the kernel writes the sibling's number,
// as we know it. The sibling gets neither: it might be made to write another's.

#include "run/step.hpp"

namespace {

using namespace fastlayers::run;

constexpr long kHere = -100;        // AT_FDCWD
constexpr long kEffective = 0x200;  // AT_EACCESS
constexpr long kExecute = 1;        // X_OK
constexpr long kSetFlags = 2;       // F_SETFD
constexpr long kClosedAtExec = 1;   // FD_CLOEXEC
constexpr int kAccessDenied = 13;   // EACCES
constexpr long kForbidden = -1;     // EPERM
constexpr long kUnknown = -38;      // ENOSYS
constexpr int kFailed = 127;

constexpr long kSetMask = 2;             // SIG_SETMASK
constexpr long kMaskBytes = 8;           // of a kernel's sigset_t
constexpr long kChildEnded = 17;         // SIGCHLD
constexpr long kTerminalInput = 21;      // SIGTTIN
constexpr long kTerminalOutput = 22;     // SIGTTOU
constexpr long kNoHang = 1;              // WNOHANG
constexpr long kInterrupted = -4;        // EINTR
constexpr long kSetForeground = 0x5410;  // TIOCSPGRP
constexpr long kSetName = 15;            // PR_SET_NAME
constexpr long kReapOrphans = 36;        // PR_SET_CHILD_SUBREAPER
constexpr int kSignalBase = 128;

constexpr unsigned long bit(int signal) { return 1UL << (signal - 1); }
// What the kernel sends for a mistake of ours: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
constexpr unsigned long kOwn = bit(4) | bit(5) | bit(6) | bit(7) | bit(8) | bit(11) | bit(31);

#if defined(__x86_64__)
enum : long {
  kWrite = 1,
  kFcntl = 72,
  kExecve = 59,
  kExit = 231,
  kOpenat = 257,
  kAccess = 439,
  kClose = 3,
  kSignalMask = 14,
  kIoctl = 16,
  kClone = 56,
  kWait = 61,
  kKill = 62,
  kSetGroup = 109,
  kGetPid = 39,
  kSignalWait = 128,
  kControl = 157,
  kMap = 9,
  kAdvise = 28,
  kSetSession = 112
};
constexpr long kDirectoryPath = 0x210000;  // O_PATH | O_DIRECTORY

long call(long number, long a, long b, long c, long d, long e = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = 0;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

asm(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call porter\n");
#elif defined(__aarch64__)
enum : long {
  kWrite = 64,
  kFcntl = 25,
  kExecve = 221,
  kExit = 94,
  kOpenat = 56,
  kAccess = 439,
  kClose = 57,
  kSignalMask = 135,
  kIoctl = 29,
  kClone = 220,
  kWait = 260,
  kKill = 129,
  kSetGroup = 154,
  kGetPid = 172,
  kSignalWait = 137,
  kControl = 167,
  kMap = 222,
  kAdvise = 233,
  kSetSession = 157
};
constexpr long kDirectoryPath = 0x204000;

long call(long number, long a, long b, long c, long d, long e = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = 0;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
}

asm(".globl _start\n_start: mov x29, #0\n mov x0, sp\n b porter\n");
#else
#error "the porter knows x86-64 and AArch64 only"
#endif

[[noreturn]] void leave(int code) {
  for (;;) call(kExit, code, 0, 0, 0);
}

[[noreturn]] void fail(Step step, int error) {
  const Failure failure{step, error};
  call(kWrite, kReport, reinterpret_cast<long>(&failure), sizeof(failure), 0);
  leave(kFailed);
}

// The result of a call that must not fail.
long sure(Step step, long result) {
  if (result < 0) fail(step, static_cast<int>(-result));
  return result;
}

bool may_execute(long path) {
  // A directory may be entered, which is the same bit.
  const long access = call(kAccess, kHere, path, kExecute, kEffective);
  // An older seccomp profile does not know the call; the kernel itself never says EPERM here.
  return (access == 0 || access == kForbidden || access == kUnknown) &&
         call(kOpenat, kHere, path, kDirectoryPath, 0) < 0;
}

long address(const void* object) { return reinterpret_cast<long>(object); }

// Reaps what has ended; ends with the command, as a shell tells how that ended.
void reap(long command) {
  for (;;) {
    int status = 0;
    const long pid = call(kWait, -1, address(&status), kNoHang, 0);
    if (pid == kInterrupted) continue;
    if (pid <= 0) return;
    if (pid != command) continue;
    const int signal = status & 0x7f;
    leave(signal != 0 ? kSignalBase + signal : status >> 8 & 0xff);
  }
}

// Returns in the child.
void stay() {
  call(kControl, kSetName, address("init"), 0, 0);
  call(kControl, kReapOrphans, 1, 0, 0);
  const unsigned long waited_for = ~kOwn;
  const unsigned long none = 0;
  // Blocked, they wait for us, also those that a first process does not get otherwise.
  call(kSignalMask, kSetMask, address(&waited_for), 0, kMaskBytes);
  const long child = sure(Step::execute, call(kClone, kChildEnded, 0, 0, 0));
  if (child == 0) {
    // A group of its own, so that keys of the terminal are for it and what it starts.
    call(kSetGroup, 0, 0, 0, 0);
    const int group = static_cast<int>(call(kGetPid, 0, 0, 0, 0));
    call(kIoctl, 0, kSetForeground, address(&group), 0);  // if it has a terminal
    call(kSignalMask, kSetMask, address(&none), 0, kMaskBytes);
    return;
  }
  call(kClose, kReport, 0, 0, 0);
  for (;;) {
    reap(child);
    const long signal = call(kSignalWait, address(&waited_for), 0, 0, kMaskBytes);
    if (signal > 0 && signal != kChildEnded && signal != kTerminalInput &&
        signal != kTerminalOutput) {
      call(kKill, child, signal, 0, 0);
    }
  }
}

// Returns in the sibling.
void join(bool takes_terminal) {
  const long page = sure(Step::joining, call(kMap, 0, kPage, kReadWrite, kShared, kNumber));
  sure(Step::joining, call(kAdvise, page, kPage, kNotForChildren, 0));
  call(kClose, kNumber, 0, 0, 0);
  if (sure(Step::joining, call(kClone, kSibling, 0, page, 0)) > 0) leave(0);
  sure(Step::session, call(kSetSession, 0, 0, 0, 0));
  if (takes_terminal) sure(Step::terminal, call(kIoctl, 0, kTakeTerminal, 0, 0));
}

}  // namespace

extern "C" [[noreturn]] void porter(long* stack) {
  const long count = stack[0];
  char** arguments = reinterpret_cast<char**>(stack + 1);
  char** environment = arguments + count + 1;
  char** candidates = arguments + 1;
  char** command = candidates;
  while (**command != 0) ++command;
  ++command;
  call(kFcntl, kReport, kSetFlags, kClosedAtExec, 0);
  if (**arguments == 'i' || **arguments == '/') stay();
  if (**arguments == 'j') join((*arguments)[4] == '-');
  for (char** candidate = candidates; **candidate != 0; ++candidate) {
    const long path = reinterpret_cast<long>(*candidate);
    if (!may_execute(path)) continue;
    const long error = call(kExecve, path, reinterpret_cast<long>(command),
                            reinterpret_cast<long>(environment), 0);
    if (-error != kAccessDenied) fail(Step::execute, static_cast<int>(-error));
  }
  fail(Step::search, kAccessDenied);
}
