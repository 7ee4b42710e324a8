// TextFinder: where one of several texts is in bytes, ASCII letters in any case if that is wanted.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/io.hpp"

namespace fastlayers::search {

class TextFinder {
 public:
  // None of the texts is empty, and there is one.
  TextFinder(const std::vector<std::string>& texts, bool ignore_case);

  std::size_t shortest() const { return shortest_; }
  std::size_t longest() const { return longest_; }

  void begin(Bytes bytes);  // which stay where they are
  // Where the first text is that begins at `from`, which never goes back, or behind it; the number
  // of bytes if there is none.
  std::size_t next(std::size_t from);

 private:
  struct Text {
    std::string wanted;
    std::string small;  // what a byte is joined with before it is compared
    std::size_t place;  // where it was found
  };

  void look_from(std::size_t from, Text& text) const;

  std::vector<Text> texts_;
  std::size_t shortest_;
  std::size_t longest_;
  Bytes bytes_;
};

std::size_t count_newlines(Bytes bytes);

}  // namespace fastlayers::search
