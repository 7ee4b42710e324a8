#include "search/line_search.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::search {

namespace {

constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 62;
constexpr std::uint64_t kGapBytes = 4096;     // read along with what is on both its sides
constexpr std::uint64_t kPieceBytes = 16384;  // read at once outside of a window
constexpr std::uint64_t kBinaryWithin = 8192;
constexpr std::chrono::milliseconds kCheckEvery{50};
constexpr std::size_t kPartsAhead = 8;  // of each processor: one can be a large file
constexpr std::size_t kMostHeldBytes = 1 << 25;

void read_all(const SearchedFile& file, MutableBytes into, std::uint64_t from) {
  std::size_t count = 0;
  try {
    count = sys::read_at(file.fd.get(), into, from);
  } catch (Error& error) {
    error.add_context("cannot read " + file.name);
    throw;
  }
  if (count != into.size()) {
    throw Error(ErrorKind::corrupt, file.name + " is shorter than its file table says");
  }
}

// Slices of one file, in their order.
class FileSearch {
 public:
  FileSearch(const SearchedFile& file, Finder& finder, std::int64_t most_hits,
             const SearchBounds& bounds, std::vector<std::byte>& window, Lines& found)
      : file_(file),
        finder_(finder),
        most_hits_(most_hits),
        bounds_(bounds),
        window_(window),
        piece_(kPieceBytes),
        found_(found) {}

  void search(const std::vector<Slice>& slices, std::span<const std::size_t> chosen,
              const std::atomic<bool>& is_over) {
    for (std::size_t i = 0; i < chosen.size() && !is_over; ++i) {
      rest_ = chosen.subspan(i + 1);
      search_one(slices, chosen[i], is_over);
    }
  }

 private:
  void search_one(const std::vector<Slice>& slices, std::size_t index,
                  const std::atomic<bool>& is_over) {
    const Slice& slice = slices[index];
    begin_ = slice.offset;
    end_ = slice.offset + slice.length;
    counted_to_ = begin_;
    number_ = 1;
    const std::size_t first = found_.lines.size();
    const std::size_t first_text = found_.text.size();
    const std::size_t first_hit = found_.hits.size();
    std::uint64_t at = begin_;
    std::uint64_t line = begin_;  // where one begins, at or before `at`
    std::uint64_t told_to = 0;    // the end of the last one, if its hits are told
    std::uint64_t begun = end_;   // where the finder's bytes begin; end_: nowhere
    while (end_ - at >= finder_.shortest() && !is_over) {
      if (at < low_ || std::min<std::uint64_t>(at + finder_.longest(), end_) > high_) {
        fill(at, slices);
        begun = end_;
      }
      const std::uint64_t high = std::min(end_, high_);
      if (begun == end_) {
        begun = at;
        finder_.begin(part(at, high));
      }
      const std::uint64_t place = begun + finder_.next(at - begun);
      if (place == high) {
        if (high == end_) return;
        at = high - (finder_.longest() - 1);
        continue;
      }
      if (place < told_to) {
        at = tell_hit(place) ? place + 1 : told_to;
        continue;
      }
      const std::uint64_t from = line_begin(line, place);
      const std::uint64_t to = line_end(place);
      if (found_.lines.size() - first == bounds_.most_lines) {
        found_.lines.resize(first);
        found_.text.resize(first_text);
        found_.hits.resize(first_hit);
        found_.lines.push_back({.slice = static_cast<std::int64_t>(index), .begin = -1, .end = -1});
        return;
      }
      if (found_.lines.size() == first && !is_text()) number_ = 0;
      tell(index, from, to);
      if (most_hits_ == 0 && to == end_) return;
      at = most_hits_ > 0 ? place : to + 1;
      told_to = most_hits_ > 0 ? to : 0;
      line = to + 1;
    }
  }

  Bytes part(std::uint64_t from, std::uint64_t to) const {
    return Bytes(window_).subspan(from - low_, to - from);
  }

  void fill(std::uint64_t at, const std::vector<Slice>& slices) {
    const std::uint64_t most = at + bounds_.window_bytes;
    low_ = at;
    high_ = std::min(end_, most);
    for (const std::size_t next : rest_) {
      const Slice& slice = slices[next];
      if (high_ < end_ || slice.offset < high_ || slice.offset > high_ + kGapBytes ||
          slice.length > most || slice.offset > most - slice.length) {
        break;
      }
      high_ = slice.offset + slice.length;
    }
    read_all(file_, MutableBytes(window_).first(high_ - low_), low_);
  }

  // Where a line begins that has a place in the window, and not before `from`.
  std::uint64_t line_begin(std::uint64_t from, std::uint64_t place) {
    std::uint64_t low = std::max(from, low_);
    if (const auto newline = last_newline(part(low, place))) return low + *newline + 1;
    while (low > from) {
      const std::uint64_t count = std::min(low - from, kPieceBytes);
      low -= count;
      if (const auto newline = last_newline(read_piece(low, count))) return low + *newline + 1;
    }
    return from;
  }

  // And where it ends: at its newline, or with its slice.
  std::uint64_t line_end(std::uint64_t place) {
    std::uint64_t high = std::min(end_, high_);
    if (const auto newline = first_newline(part(place, high))) return place + *newline;
    while (high < end_) {
      const std::uint64_t count = std::min(end_ - high, kPieceBytes);
      if (const auto newline = first_newline(read_piece(high, count))) return high + *newline;
      high += count;
    }
    return end_;
  }

  void tell(std::size_t index, std::uint64_t from, std::uint64_t to) {
    Line line{.slice = static_cast<std::int64_t>(index),
              .begin = static_cast<std::int64_t>(from - begin_),
              .end = static_cast<std::int64_t>(to - begin_),
              .first_hit = static_cast<std::int64_t>(found_.hits.size())};
    if (number_ > 0) {
      number_ += newlines(counted_to_, from);
      counted_to_ = from;
      line.number = static_cast<std::int64_t>(number_);
    }
    if (to - from <= bounds_.longest_line) {
      line.place = static_cast<std::int64_t>(found_.text.size());
      if (from >= low_ && to <= high_) {
        found_.text += as_text(part(from, to));
      } else {
        found_.text.resize(found_.text.size() + (to - from));
        read_all(file_, std::as_writable_bytes(std::span(found_.text)).last(to - from), from);
      }
    }
    found_.lines.push_back(line);
  }

  // In the last line; false if enough have been told.
  bool tell_hit(std::uint64_t place) {
    Line& line = found_.lines.back();
    found_.hits.push_back(static_cast<std::int64_t>(place - begin_) - line.begin);
    return ++line.hits < most_hits_;
  }

  bool is_text() {
    const std::uint64_t to = std::min(end_, begin_ + kBinaryWithin);
    const Bytes start =
        begin_ >= low_ && to <= high_ ? part(begin_, to) : read_piece(begin_, to - begin_);
    return std::find(start.begin(), start.end(), std::byte{0}) == start.end();
  }

  std::uint64_t newlines(std::uint64_t from, std::uint64_t to) {
    std::uint64_t total = 0;
    while (from < std::min(to, low_)) {
      const std::uint64_t count = std::min(std::min(to, low_) - from, kPieceBytes);
      total += count_newlines(read_piece(from, count));
      from += count;
    }
    // A line that ends behind the window was the last one that begins in it.
    return total + (from < to ? count_newlines(part(from, to)) : 0);
  }

  Bytes read_piece(std::uint64_t from, std::uint64_t count) {
    const MutableBytes piece = MutableBytes(piece_).first(count);
    read_all(file_, piece, from);
    return piece;
  }

  static std::optional<std::size_t> first_newline(Bytes bytes) {
    return place_in(bytes, std::memchr(bytes.data(), '\n', bytes.size()));
  }

  static std::optional<std::size_t> last_newline(Bytes bytes) {
    return place_in(bytes, ::memrchr(bytes.data(), '\n', bytes.size()));
  }

  static std::optional<std::size_t> place_in(Bytes bytes, const void* found) {
    if (found == nullptr) return std::nullopt;
    return static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
  }

  const SearchedFile& file_;
  Finder& finder_;
  const std::int64_t most_hits_;
  const SearchBounds& bounds_;
  std::vector<std::byte>& window_;  // holds the file's bytes from low_ up to high_
  std::vector<std::byte> piece_;
  Lines& found_;
  std::span<const std::size_t> rest_;  // the slices behind this one
  std::uint64_t low_ = 0, high_ = 0;
  std::uint64_t begin_ = 0, end_ = 0;  // of the slice
  std::uint64_t counted_to_ = 0;       // newlines
  std::uint64_t number_ = 1;           // of the line that counted_to_ is in; 0: of no text
};

void check(const std::vector<SearchedFile>& files, const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    if (slice.file >= files.size() || slice.offset > kLargestFile ||
        slice.length > kLargestFile - slice.offset) {
      throw Error(ErrorKind::invalid, "a slice lies outside of any file");
    }
  }
}

}  // namespace

LineSearch::LineSearch(std::vector<SearchedFile> files, std::vector<Slice> slices,
                       const std::vector<Sequence>& sequences, std::int64_t most_hits,
                       SearchBounds bounds)
    : files_(std::move(files)),
      slices_(std::move(slices)),
      finder_(sequences),
      most_hits_(most_hits),
      bounds_(bounds) {
  check(files_, slices_);
  if (finder_.longest() >= bounds_.window_bytes) {
    throw Error(ErrorKind::invalid, "a sequence to search for is larger than the window");
  }
  std::uint64_t bytes = bounds_.part_bytes;
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    if (bytes >= bounds_.part_bytes) {
      parts_.emplace_back().first = i;
      bytes = 0;
    }
    parts_.back().end = i + 1;
    bytes += slices_[i].length;
  }
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  ahead_ = kPartsAhead * processors;
  while (threads_.size() < std::min(processors, parts_.size())) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      if (threads_.empty()) throw_errno("start a thread", error.code().value());
      break;  // those there are do it
    }
  }
}

LineSearch::~LineSearch() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<Lines> LineSearch::next(const std::function<void()>& check) {
  std::unique_lock lock(mutex_);
  if (taken_ == parts_.size()) return std::nullopt;
  Part& part = parts_[taken_];
  while (!changed_.wait_for(lock, kCheckEvery, [&] { return part.is_done; })) {
    lock.unlock();
    check();
    lock.lock();
  }
  ++taken_;
  held_bytes_ -= part.held_bytes();
  lock.unlock();
  changed_.notify_all();
  if (part.error) std::rethrow_exception(part.error);
  return std::move(part.found);
}

std::size_t LineSearch::Part::held_bytes() const {
  return found.text.size() + found.lines.size() * sizeof(Line) +
         found.hits.size() * sizeof(std::int64_t);
}

bool LineSearch::may_begin() const {
  return begun_ == taken_ || (begun_ < taken_ + ahead_ && held_bytes_ < kMostHeldBytes);
}

void LineSearch::work() {
  Finder finder = finder_;
  std::vector<std::byte> window(bounds_.window_bytes);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_over_ || begun_ == parts_.size() || may_begin(); });
    if (is_over_ || begun_ == parts_.size()) return;
    Part& part = parts_[begun_++];
    lock.unlock();
    try {
      search(part, finder, window);
    } catch (...) {
      part.error = std::current_exception();
    }
    lock.lock();
    part.is_done = true;
    held_bytes_ += part.held_bytes();
    changed_.notify_all();
  }
}

void LineSearch::search(Part& part, Finder& finder, std::vector<std::byte>& window) const {
  std::vector<std::size_t> slices(part.end - part.first);
  std::iota(slices.begin(), slices.end(), part.first);
  const auto file_of = [this](std::size_t slice) { return slices_[slice].file; };
  std::stable_sort(slices.begin(), slices.end(), [&](std::size_t left, std::size_t right) {
    return file_of(left) < file_of(right);
  });
  for (auto first = slices.begin(); first != slices.end();) {
    const std::uint32_t file = file_of(*first);
    const auto end = std::find_if(first, slices.end(),
                                  [&](std::size_t slice) { return file_of(slice) != file; });
    FileSearch(files_[file], finder, most_hits_, bounds_, window, part.found)
        .search(slices_, {first, end}, is_over_);
    first = end;
  }
  // Those of one slice are in order as they are.
  std::stable_sort(part.found.lines.begin(), part.found.lines.end(),
                   [](const Line& left, const Line& right) { return left.slice < right.slice; });
}

}  // namespace fastlayers::search
