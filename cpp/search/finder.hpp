// Finder: where one of several sequences is in bytes. A sequence has for each of its places the
// bytes that may be there: one for a plain text, two for a letter in any case, ten for a digit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/io.hpp"

namespace fastlayers::search {

using Sequence = std::vector<std::string>;

inline constexpr std::size_t kLongestSequence = 64;

class Finder {
 public:
  // Error(invalid) if there is none, or an empty one, or one longer than kLongestSequence.
  explicit Finder(const std::vector<Sequence>& sequences);

  std::size_t shortest() const { return shortest_; }
  std::size_t longest() const { return longest_; }

  void begin(Bytes bytes);  // which stay where they are
  // Where the first sequence is that begins at `from`, which never goes back, or behind it; the
  // number of bytes if there is none.
  std::size_t next(std::size_t from);

 private:
  struct Text {
    std::string wanted;
    std::string small;  // what a byte is joined with before it is compared
  };
  struct Sought {
    std::size_t length = 0;
    Text text;                         // if each place has one byte, or a letter in any case
    std::vector<std::uint64_t> masks;  // else, for each byte: bit n if the n-th last place has it
    std::size_t place = 0;             // where it was found
  };

  static Sought prepared(const Sequence& sequence);
  void look_from(std::size_t from, Sought& sought) const;

  std::vector<Sought> sought_;
  std::size_t shortest_ = 0;
  std::size_t longest_ = 0;
  Bytes bytes_;
};

std::size_t count_newlines(Bytes bytes);

}  // namespace fastlayers::search
