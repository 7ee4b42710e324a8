#include "search/finder.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/error.hpp"

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
constexpr char kCase = ' ';  // what the cases of a letter differ in

const std::uint8_t* start_of(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// In the order of memory.
std::size_t first_mark(std::uint64_t marks) {
  static_assert(std::endian::native == std::endian::little);
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

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

// Where a sequence is first between two places, or `end`: backward nondeterministic DAWG matching
// (Navarro and Raffinot, 1998). A window is read from its end for as long as that is a part of the
// sequence, and then goes on to where a beginning of it was seen.
const std::uint8_t* find(const std::uint8_t* at, const std::uint8_t* end,
                         const std::uint64_t* masks, std::size_t length) {
  const std::uint64_t whole = std::uint64_t{1} << (length - 1);
  while (static_cast<std::size_t>(end - at) >= length) {
    std::uint64_t parts = whole | (whole - 1);
    std::size_t left = length;
    std::size_t step = length;
    while (parts != 0) {
      parts &= masks[at[--left]];
      if ((parts & whole) != 0) {
        if (left == 0) return at;
        step = left;
      }
      parts = (parts & ~whole) << 1;
    }
    at += step;
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

Finder::Finder(const std::vector<Sequence>& sequences) {
  for (const Sequence& sequence : sequences) {
    if (sequence.empty() || sequence.size() > kLongestSequence) {
      throw Error(ErrorKind::invalid, "a sequence to search for is empty or too long");
    }
    sought_.push_back(prepared(sequence));
    longest_ = std::max(longest_, sequence.size());
    shortest_ = sought_.size() == 1 ? longest_ : std::min(shortest_, sequence.size());
  }
  if (sought_.empty()) throw Error(ErrorKind::invalid, "there is nothing to search for");
}

Finder::Sought Finder::prepared(const Sequence& sequence) {
  Sought sought;
  sought.length = sequence.size();
  for (const std::string& bytes : sequence) {
    const bool is_pair = bytes.size() == 2 && (bytes[0] ^ bytes[1]) == kCase;
    if (bytes.size() != 1 && !is_pair) break;
    sought.text.wanted += is_pair ? static_cast<char>(bytes[0] | kCase) : bytes[0];
    sought.text.small += is_pair ? kCase : '\0';
  }
  if (sought.text.wanted.size() == sequence.size()) return sought;
  sought.masks.resize(256);
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    for (const char byte : sequence[i]) {
      sought.masks[static_cast<std::uint8_t>(byte)] |= std::uint64_t{1}
                                                       << (sequence.size() - 1 - i);
    }
  }
  return sought;
}

void Finder::begin(Bytes bytes) {
  bytes_ = bytes;
  for (Sought& sought : sought_) look_from(0, sought);
}

std::size_t Finder::next(std::size_t from) {
  std::size_t first = bytes_.size();
  for (Sought& sought : sought_) {
    if (sought.place < from) look_from(from, sought);
    first = std::min(first, sought.place);
  }
  return first;
}

void Finder::look_from(std::size_t from, Sought& sought) const {
  const std::uint8_t* start = start_of(bytes_);
  const std::uint8_t* end = start + bytes_.size();
  const std::uint8_t* place = sought.masks.empty()
                                  ? find(start + from, end, start_of(as_bytes(sought.text.wanted)),
                                         start_of(as_bytes(sought.text.small)), sought.length)
                                  : find(start + from, end, sought.masks.data(), sought.length);
  sought.place = static_cast<std::size_t>(place - start);
}

std::size_t count_newlines(Bytes bytes) {
  return count(start_of(bytes), bytes.size(), static_cast<std::uint8_t>(kNewline));
}

}  // namespace fastlayers::search
