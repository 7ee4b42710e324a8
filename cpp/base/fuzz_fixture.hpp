// What the fuzz targets share. A target is `<name>_fuzz.cpp`; see tests/fuzz.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/io.hpp"

namespace fastlayers::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Anything that must hold and does not is a finding.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

// Input may be refused, in one of the ways that say that the input is at fault.
inline void require_refusal(const Error& error) {
  const ErrorKind kind = error.kind();
  require(kind == ErrorKind::corrupt || kind == ErrorKind::unsupported ||
              kind == ErrorKind::limit || kind == ErrorKind::traversal ||
              kind == ErrorKind::digest_mismatch,
          error.what());
}

// Runs `work`; the kind of refusal, if it refuses.
template <class Work>
std::optional<ErrorKind> refusal(Work work) {
  try {
    work();
    return std::nullopt;
  } catch (const Error& error) {
    require_refusal(error);
    return error.kind();
  }
}

}  // namespace fastlayers::fuzz
