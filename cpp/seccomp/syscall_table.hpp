// Which number a system call's name has in each of the binary interfaces this machine's kernel
// offers. The table is made of libseccomp's when this is built (syscall_table.cc), so that nothing
// has to be loaded when a container starts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace fastlayers::seccomp {

// A binary interface. Two may be of one audit architecture: x32's numbers have kX32Bit.
struct Abi {
  std::string_view name;  // as profiles name it: SCMP_ARCH_X86_64
  std::uint32_t audit_architecture;
  bool is_32_bit;  // the high halves of arguments are not looked at
};

inline constexpr std::size_t kMaxAbis = 3;
inline constexpr std::int64_t kNoNumber = -1;
inline constexpr std::uint32_t kX32Bit = 0x40000000;

// A system call that 32-bit x86 also reaches through another one, whose first argument says which.
struct Multiplexed {
  std::string_view through;  // "socketcall", "ipc"; empty: it is not
  std::uint32_t selector = 0;
};

std::span<const Abi> abis();  // the native one first

// The number of the call in abis()[abi]; kNoNumber if that has none of the name.
std::int64_t number_of(std::string_view name, std::size_t abi);
Multiplexed multiplexed(std::string_view name, std::size_t abi);

}  // namespace fastlayers::seccomp
