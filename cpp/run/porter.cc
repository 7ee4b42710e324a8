// The porter: the program that a process executes first, from sealed memory, where others in the
// container or of its volumes are at work, and that executes the command. What /proc/self/exe leads to is never a file of the host then,
// however the container's programs are exchanged meanwhile (CVE-2019-5736), and nothing of our
// memory is left. It stands alone: no libc, no start-up, a page of code.
//
// Arguments: candidates, an empty one, the command's own. Descriptor kReport takes a Failure.

#include "run/step.hpp"

namespace {

using fastlayers::run::Failure;
using fastlayers::run::kReport;
using fastlayers::run::Step;

constexpr long kHere = -100;        // AT_FDCWD
constexpr long kEffective = 0x200;  // AT_EACCESS
constexpr long kExecute = 1;        // X_OK
constexpr long kSetFlags = 2;       // F_SETFD
constexpr long kClosedAtExec = 1;   // FD_CLOEXEC
constexpr int kAccessDenied = 13;   // EACCES
constexpr long kForbidden = -1;     // EPERM
constexpr long kUnknown = -38;      // ENOSYS
constexpr int kFailed = 127;

#if defined(__x86_64__)
enum : long { kWrite = 1, kFcntl = 72, kExecve = 59, kExit = 231, kOpenat = 257, kAccess = 439 };
constexpr long kDirectoryPath = 0x210000;  // O_PATH | O_DIRECTORY

long call(long number, long a, long b, long c, long d) {
  register long r10 asm("r10") = d;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
}

asm(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call porter\n");
#elif defined(__aarch64__)
enum : long { kWrite = 64, kFcntl = 25, kExecve = 221, kExit = 94, kOpenat = 56, kAccess = 439 };
constexpr long kDirectoryPath = 0x204000;

long call(long number, long a, long b, long c, long d) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

asm(".globl _start\n_start: mov x29, #0\n mov x0, sp\n b porter\n");
#else
#error "the porter knows x86-64 and AArch64 only"
#endif

[[noreturn]] void fail(Step step, int error) {
  const Failure failure{step, error};
  call(kWrite, kReport, reinterpret_cast<long>(&failure), sizeof(failure), 0);
  for (;;) call(kExit, kFailed, 0, 0, 0);
}

bool may_execute(long path) {
  // A directory may be entered, which is the same bit.
  const long access = call(kAccess, kHere, path, kExecute, kEffective);
  // An older seccomp profile does not know the call; the kernel itself never says EPERM here.
  return (access == 0 || access == kForbidden || access == kUnknown) &&
         call(kOpenat, kHere, path, kDirectoryPath, 0) < 0;
}

}  // namespace

extern "C" [[noreturn]] void porter(long* stack) {
  const long count = stack[0];
  char** arguments = reinterpret_cast<char**>(stack + 1);
  char** environment = arguments + count + 1;
  char** command = arguments;
  while (**command != 0) ++command;
  ++command;
  call(kFcntl, kReport, kSetFlags, kClosedAtExec, 0);
  for (char** candidate = arguments; **candidate != 0; ++candidate) {
    const long path = reinterpret_cast<long>(*candidate);
    if (!may_execute(path)) continue;
    const long error = call(kExecve, path, reinterpret_cast<long>(command),
                            reinterpret_cast<long>(environment), 0);
    if (-error != kAccessDenied) fail(Step::execute, static_cast<int>(-error));
  }
  fail(Step::search, kAccessDenied);
}
