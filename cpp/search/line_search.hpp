// LineSearch: the lines of many slices of files that hold one of some sequences, found by all
// processors, and told in the order of the slices.
//
// Files are read a window at a time, neighbouring slices together: to have pages of them mapped
// takes longer than to look through them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "search/finder.hpp"
#include "sys/fd.hpp"

namespace fastlayers::search {

struct SearchedFile {
  sys::Fd fd;
  std::string name;  // for errors
};

struct Slice {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// A line of a slice. Of a slice with too many of them there is one, which begins and ends at -1.
struct Line {
  std::int64_t slice = 0;
  std::int64_t number = 0;  // counts from 1; 0: a NUL among the slice's first bytes, it is no text
  std::int64_t begin = 0;   // in the slice
  std::int64_t end = 0;     // without its newline
  std::int64_t place = -1;  // of its bytes in Lines::text; -1: they are too many
  // Where in Lines::hits it is said where in the line the sequences are, and of how many of them.
  std::int64_t first_hit = 0;
  std::int64_t hits = 0;
};

struct Lines {
  std::vector<Line> lines;
  std::string text;
  std::vector<std::int64_t> hits;
};

struct SearchBounds {
  std::size_t window_bytes = 1 << 18;  // read at once; more than a sequence has
  std::uint64_t part_bytes = 1 << 24;  // of slices that one processor is given at once
  std::size_t most_lines = 1 << 20;    // of a slice
  std::size_t longest_line = 1 << 16;  // whose bytes are told
};

class LineSearch {
 public:
  // `most_hits`: how often it is told where in a line the sequences are. Error(invalid) if one is
  // as long as the window, or a slice lies in no file or outside of what a file can have; and those
  // of Finder.
  LineSearch(std::vector<SearchedFile> files, std::vector<Slice> slices,
             const std::vector<Sequence>& sequences, std::int64_t most_hits,
             SearchBounds bounds = {});
  LineSearch(const LineSearch&) = delete;
  LineSearch& operator=(const LineSearch&) = delete;
  ~LineSearch();

  // Those of the next slices; nullopt behind the last ones. `check` is called from time to time
  // while they are waited for. Error(corrupt) if a file ends before a slice.
  std::optional<Lines> next(const std::function<void()>& check);

 private:
  struct Part {
    std::size_t first = 0, end = 0;  // slices
    bool is_done = false;
    Lines found;
    std::exception_ptr error;

    std::size_t held_bytes() const;
  };

  bool may_begin() const;  // with another part
  void work();
  void search(Part& part, Finder& finder, std::vector<std::byte>& window) const;

  const std::vector<SearchedFile> files_;
  const std::vector<Slice> slices_;
  const Finder finder_;  // that each thread has a copy of
  const std::int64_t most_hits_;
  const SearchBounds bounds_;
  std::vector<Part> parts_;
  std::size_t ahead_ = 0;  // parts that are searched before they are asked for

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t begun_ = 0;  // parts
  std::size_t taken_ = 0;
  std::size_t held_bytes_ = 0;  // of what is found and not taken
  std::atomic<bool> is_over_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fastlayers::search
