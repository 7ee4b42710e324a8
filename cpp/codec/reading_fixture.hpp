// What a source gives to the fuzz targets: its bytes, or that it refused.
#pragma once

#include <memory>
#include <string>

#include "base/fuzz_fixture.hpp"

namespace fastlayers::codec {

struct Reading {
  bool refused = false;
  std::string bytes;  // of a bomb, the beginning
};

// Reads what `open` opens; opening may refuse, too.
template <class Open>
Reading read_source(Open open) {
  constexpr std::size_t kMostBytes = std::size_t{8} << 20;
  Reading reading;
  const auto refusal = fuzz::refusal([&] {
    const std::unique_ptr<Source> source = open();
    std::string room(65536, '\0');
    while (reading.bytes.size() < kMostBytes) {
      const std::size_t count = source->read(std::as_writable_bytes(std::span(room)));
      if (count == 0) break;
      reading.bytes.append(room, 0, count);
    }
  });
  reading.refused = refusal.has_value();
  return reading;
}

}  // namespace fastlayers::codec
