#include "search/text_finder.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace fastlayers::search {

namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kManyBytes = 256;
constexpr std::size_t kSumBytes = 192;  // whose newlines a byte can count
constexpr char kNewline = '\n';

const std::uint8_t* start_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// In the order of memory.
std::size_t first_mark(std::uint64_t marks) {
  static_assert(std::endian::native == std::endian::little);
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

bool is_small_letter(char letter) { return letter >= 'a' && letter <= 'z'; }

// The two ends of a text, at their distance: where they are, it may be. The loops over a fixed
// number of bytes are what compilers make vectors of.
class Ends {
 public:
  Ends(const std::uint8_t* text, const std::uint8_t* small, std::size_t length)
      : first_(text[0]),
        last_(text[length - 1]),
        first_small_(small[0]),
        last_small_(small[length - 1]),
        distance_(length - 1) {}

  [[gnu::always_inline]] bool are_at(const std::uint8_t* at) const {
    return (((at[0] | first_small_) == first_) & ((at[distance_] | last_small_) == last_)) != 0;
  }
  [[gnu::always_inline]] bool are_in_many(const std::uint8_t* at) const {
    std::uint8_t any = 0;
    for (std::size_t i = 0; i < kManyBytes; ++i) any |= static_cast<std::uint8_t>(are_at(at + i));
    return any != 0;
  }
  // A byte for each place of a block, 1 where they are.
  [[gnu::always_inline]] void mark(const std::uint8_t* at, std::uint64_t* marks) const {
    std::uint8_t bytes[kBlockBytes];
    for (std::size_t i = 0; i < kBlockBytes; ++i)
      bytes[i] = static_cast<std::uint8_t>(are_at(at + i));
    std::memcpy(marks, bytes, kBlockBytes);
  }

 private:
  std::uint8_t first_, last_, first_small_, last_small_;
  std::size_t distance_;
};

[[gnu::always_inline]] inline bool is_at(const std::uint8_t* at, const std::uint8_t* text,
                                         const std::uint8_t* small, std::size_t length) {
  std::size_t i = 0;
  while (i < length && (at[i] | small[i]) == text[i]) ++i;
  return i == length;
}

// Where `text` is first between two places, or `end`.
FOR_EACH_PROCESSOR
const std::uint8_t* find(const std::uint8_t* at, const std::uint8_t* end, const std::uint8_t* text,
                         const std::uint8_t* small, std::size_t length) {
  const std::size_t bytes = static_cast<std::size_t>(end - at);
  if (bytes < length) return end;
  const Ends ends(text, small, length);
  const std::uint8_t* behind = end - length + 1;  // the last place where it may be
  const bool has_block = bytes - length + 1 >= kBlockBytes;
  while (at < behind) {
    const auto left = static_cast<std::size_t>(behind - at);
    if (left >= kManyBytes && !ends.are_in_many(at)) {
      at += kManyBytes;
      continue;
    }
    if (!has_block) {
      if (is_at(at, text, small, length)) return at;
      ++at;
      continue;
    }
    // The last block begins in what has been looked at.
    const std::uint8_t* block = left >= kBlockBytes ? at : behind - kBlockBytes;
    std::uint64_t marks[kBlockBytes / sizeof(std::uint64_t)];
    ends.mark(block, marks);
    for (std::size_t i = 0; i < std::size(marks); ++i) {
      for (; marks[i] != 0; marks[i] &= marks[i] - 1) {
        const std::uint8_t* place = block + i * sizeof(std::uint64_t) + first_mark(marks[i]);
        if (place >= at && is_at(place, text, small, length)) return place;
      }
    }
    at = block + kBlockBytes;
  }
  return end;
}

FOR_EACH_PROCESSOR
std::size_t count(const std::uint8_t* at, std::size_t bytes, std::uint8_t wanted) {
  std::size_t total = 0;
  while (bytes > 0) {
    const std::size_t some = std::min(bytes, kSumBytes);
    std::uint8_t sum = 0;
    for (std::size_t i = 0; i < some; ++i) sum = static_cast<std::uint8_t>(sum + (at[i] == wanted));
    total += sum;
    at += some;
    bytes -= some;
  }
  return total;
}

}  // namespace

TextFinder::TextFinder(const std::vector<std::string>& texts, bool ignore_case) {
  for (const std::string& given : texts) {
    Text text{given, std::string(given.size(), '\0'), 0};
    for (std::size_t i = 0; i < given.size() && ignore_case; ++i) {
      const char letter = static_cast<char>(given[i] | ' ');
      if (!is_small_letter(letter)) continue;
      text.wanted[i] = letter;
      text.small[i] = ' ';
    }
    texts_.push_back(std::move(text));
  }
  const auto [least, most] = std::minmax_element(
      texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  shortest_ = least->size();
  longest_ = most->size();
}

void TextFinder::begin(Bytes bytes) {
  bytes_ = bytes;
  for (Text& text : texts_) look_from(0, text);
}

std::size_t TextFinder::next(std::size_t from) {
  std::size_t first = bytes_.size();
  for (Text& text : texts_) {
    if (text.place < from) look_from(from, text);
    first = std::min(first, text.place);
  }
  return first;
}

void TextFinder::look_from(std::size_t from, Text& text) const {
  const std::uint8_t* start = start_of(bytes_);
  const std::uint8_t* place =
      find(start + from, start + bytes_.size(), start_of(as_bytes(text.wanted)),
           start_of(as_bytes(text.small)), text.wanted.size());
  text.place = static_cast<std::size_t>(place - start);
}

std::size_t count_newlines(Bytes bytes) {
  return count(start_of(bytes), bytes.size(), static_cast<std::uint8_t>(kNewline));
}

}  // namespace fastlayers::search
