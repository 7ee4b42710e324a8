#include "run/porter.hpp"

asm(".section .rodata\n"
    ".balign 16\n"
    "fastlayers_porter_begin: .incbin \"" FASTLAYERS_PORTER
    "\"\n"
    "fastlayers_porter_end:\n"
    ".previous\n");

namespace fastlayers::run {

extern "C" const std::byte begin asm("fastlayers_porter_begin");
extern "C" const std::byte end asm("fastlayers_porter_end");

Bytes porter_program() { return {&begin, static_cast<std::size_t>(&end - &begin)}; }

}  // namespace fastlayers::run
