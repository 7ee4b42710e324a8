// Run when the library is built: writes the table of names and numbers that syscall_table.cpp
// includes, out of what libseccomp knows and the few calls that are newer than that.

#include <seccomp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitectures[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32};
constexpr std::uint32_t kMultiplexing = SCMP_ARCH_X86;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitectures[] = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, 0};
constexpr std::uint32_t kMultiplexing = 0;
#else
#error "x86-64 and AArch64 only"
#endif

constexpr int kColumns = 4;  // the architectures, and the number through ipc or socketcall
constexpr int kHighest = 1024;
constexpr int kX32Bit = 0x40000000;
constexpr int kArmOwn = 0xf0000;

// Since Linux 5.1 a new call has one number everywhere.
constexpr std::pair<const char*, int> kNewer[] = {
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469}};
constexpr std::pair<const char*, int> kNewerOnX86_64[] = {{"uretprobe", 335}};

std::map<std::string, std::vector<long>> table;

void put(const char* name, int column, long number) {
  auto& row = table.try_emplace(name, kColumns, -1).first->second;
  if (row[column] == -1) row[column] = number;
}

void look_up(std::uint32_t architecture, int column, int first, int last) {
  for (int number = first; number <= last; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(architecture, number);
    if (name == nullptr) continue;
    put(name, column, column == kColumns - 1 ? -number : number);
    std::free(name);
  }
}

}  // namespace

int main() {
  for (int column = 0; column < kColumns - 1; ++column) {
    const std::uint32_t architecture = kArchitectures[column];
    if (architecture == 0) continue;
    const int base = architecture == SCMP_ARCH_X32 ? kX32Bit : 0;
    look_up(architecture, column, base, base + kHighest);
    if (architecture == SCMP_ARCH_ARM) look_up(architecture, column, kArmOwn, kArmOwn + 16);
    for (const auto& [name, number] : kNewer) put(name, column, base + number);
    if (architecture == SCMP_ARCH_X86_64) {
      for (const auto& [name, number] : kNewerOnX86_64) put(name, column, number);
    }
  }
  if (kMultiplexing != 0) {
    look_up(kMultiplexing, kColumns - 1, -120, -101);  // 100 + the call of socketcall
    look_up(kMultiplexing, kColumns - 1, -224, -201);  // 200 + the call of ipc
  }
  for (const auto& [name, row] : table) {
    std::printf("{\"%s\", {%ld, %ld, %ld}, %ld},\n", name.c_str(), row[0], row[1], row[2], row[3]);
  }
}
