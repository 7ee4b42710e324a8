#include "seccomp/syscall_table.hpp"

#include <algorithm>

namespace fastlayers::seccomp {

namespace {

struct Row {
  char name[32];  // in place: pointers would have to be relocated at every start
  std::int32_t numbers[kMaxAbis];
  std::int32_t multiplexed;  // 100 + the call of socketcall, 200 + the call of ipc, or -1
};

constexpr Row kTable[] = {
#include "seccomp/numbers.inc"
};

#if defined(__x86_64__)
constexpr Abi kAbis[] = {{"SCMP_ARCH_X86_64", 0xc000003e, false},
                         {"SCMP_ARCH_X86", 0x40000003, true},
                         {"SCMP_ARCH_X32", 0xc000003e, true}};
constexpr std::size_t kMultiplexingAbi = 1;
#elif defined(__aarch64__)
constexpr Abi kAbis[] = {{"SCMP_ARCH_AARCH64", 0xc00000b7, false},
                         {"SCMP_ARCH_ARM", 0x40000028, true}};
constexpr std::size_t kMultiplexingAbi = kMaxAbis;
#else
#error "x86-64 and AArch64 only"
#endif

constexpr std::int32_t kThroughSocketcall = 100;
constexpr std::int32_t kThroughIpc = 200;

const Row* find(std::string_view name) {
  const auto* row =
      std::lower_bound(std::begin(kTable), std::end(kTable), name,
                       [](const Row& r, std::string_view wanted) { return r.name < wanted; });
  return row != std::end(kTable) && row->name == name ? row : nullptr;
}

}  // namespace

std::span<const Abi> abis() { return kAbis; }

std::int64_t number_of(std::string_view name, std::size_t abi) {
  const Row* row = find(name);
  return row != nullptr ? row->numbers[abi] : kNoNumber;
}

Multiplexed multiplexed(std::string_view name, std::size_t abi) {
  if (abi != kMultiplexingAbi) return {};
  const Row* row = find(name);
  if (row == nullptr || row->multiplexed < 0) return {};
  if (row->multiplexed < kThroughIpc) {
    return {"socketcall", static_cast<std::uint32_t>(row->multiplexed - kThroughSocketcall)};
  }
  return {"ipc", static_cast<std::uint32_t>(row->multiplexed - kThroughIpc)};
}

}  // namespace fastlayers::seccomp
