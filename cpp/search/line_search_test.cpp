// Random slices against a search of each line, with windows and blocks that lines do not fit in.
#include "search/line_search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::search {

namespace {

class Dice {
 public:
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  std::string text(std::size_t most) {
    static constexpr std::string_view kLetters = "abA\n";
    std::string text;
    for (std::size_t length = below(most + 1); text.size() < length;) {
      text.append(below(8) == 0 ? below(300) : 1, kLetters[below(kLetters.size())]);
    }
    return text;
  }

 private:
  std::mt19937 engine_{7};
};

std::vector<std::int64_t> places(const std::string& line, const std::vector<Sequence>& sequences) {
  std::vector<std::int64_t> found;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const auto begins = [&](const Sequence& sequence) {
      std::size_t i = 0;
      while (i < sequence.size() && at + i < line.size() &&
             sequence[i].find(line[at + i]) != std::string::npos) {
        ++i;
      }
      return i == sequence.size();
    };
    if (std::any_of(sequences.begin(), sequences.end(), begins)) {
      found.push_back(std::int64_t(at));
    }
  }
  return found;
}

struct Wanted {
  std::int64_t slice, number, begin, end;
  std::vector<std::int64_t> hits;
  bool operator==(const Wanted&) const = default;
};

}  // namespace

TEST_CASE("lines are found whatever lies on the borders of windows, blocks and parts") {
  Dice dice;
  const std::string path =
      std::filesystem::temp_directory_path() / sys::unique_name("fastlayers-lines-");
  for (int round = 0; round < 400; ++round) {
    static const std::vector<Sequence> kSequences = {
        {"a"},        {"a", "b"}, {"b", "A"},      {"Aa", "a", "Aa"}, {"b", "b", "b", "b"},
        {"aA", "Ab"}, {"abA"},    {"ab", "b", "a"}};
    std::vector<Sequence> sequences;
    while (sequences.size() < 1 + dice.below(3)) {
      sequences.push_back(kSequences[dice.below(kSequences.size())]);
    }
    std::string content;
    std::vector<Slice> slices;
    std::vector<Wanted> wanted;
    for (std::size_t count = dice.below(9); slices.size() < count;) {
      content += dice.text(dice.below(3) == 0 ? 3000 : 0);
      const std::string slice = dice.text(9);
      const auto index = static_cast<std::int64_t>(slices.size());
      slices.push_back({0, content.size(), slice.size()});
      content += slice;
      std::int64_t number = 1;
      for (std::size_t begin = 0; begin <= slice.size(); ++number) {
        const std::size_t end = std::min(slice.find('\n', begin), slice.size());
        auto hits = places(slice.substr(begin, end - begin), sequences);
        if (!hits.empty()) {
          wanted.push_back(
              {index, number, std::int64_t(begin), std::int64_t(end), std::move(hits)});
        }
        begin = end + 1;
      }
    }
    sys::write_file_atomic(path, as_bytes(content));
    std::vector<SearchedFile> files;
    files.push_back({sys::open(path, O_RDONLY), "a file"});
    constexpr std::size_t kWindows[] = {5, 6, 64, 300, 1 << 18};
    LineSearch search(std::move(files), slices, sequences, 1000,
                      {.window_bytes = kWindows[dice.below(std::size(kWindows))],
                       .part_bytes = 1 + dice.below(50),
                       .longest_line = dice.below(2) == 0 ? 3U : 1000U});
    std::vector<Wanted> found;
    while (const auto lines = search.next([] {})) {
      for (const Line& line : lines->lines) {
        const auto hit = lines->hits.begin() + line.first_hit;
        found.push_back({line.slice, line.number, line.begin, line.end, {hit, hit + line.hits}});
        if (line.place < 0) continue;
        const auto start = slices[static_cast<std::size_t>(line.slice)].offset + line.begin;
        CHECK(lines->text.substr(line.place, line.end - line.begin) ==
              content.substr(start, line.end - line.begin));
      }
    }
    CHECK((found == wanted));
  }
  sys::unlink(path);
}

}  // namespace fastlayers::search
