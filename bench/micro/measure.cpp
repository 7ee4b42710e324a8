#include "measure.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace micro {

namespace {

std::uint64_t thread_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

const Limit* find_limit(const std::vector<Limit>& limits, const std::string& name) {
  for (const Limit& limit : limits) {
    if (limit.name == name) return &limit;
  }
  return nullptr;
}

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), pattern, value);
  return text;
}

// A rate in the unit that suits it, or "" for none.
std::string rate(double value, const char* unit) {
  if (value == 0) return "";
  if (value >= 1e9) return format("%.2f G", value / 1e9) + unit + "/s";
  if (value >= 1e6) return format("%.1f M", value / 1e6) + unit + "/s";
  return format("%.0f k", value / 1e3) + unit + "/s";
}

std::string padded(const std::string& text, int width) {
  char cell[128];
  std::snprintf(cell, sizeof(cell), "%*s", width, text.c_str());
  return cell;
}

std::string limit_cell(const Figure& figure, const Limit* limit) {
  if (limit == nullptr) return "";
  const double share = per_second(figure.bytes, figure.timing.median_ns) /
                       static_cast<double>(limit->bytes_per_second) * 100;
  return format("%3.0f %% of ", share) + limit->name + ", " +
         rate(static_cast<double>(limit->bytes_per_second), "B");
}

}  // namespace

Timing measure(unsigned rounds, const std::function<void()>& work) {
  work();
  std::vector<std::uint64_t> times_ns;
  for (unsigned i = 0; i < rounds; ++i) {
    const std::uint64_t start_ns = thread_ns();
    work();
    times_ns.push_back(std::max<std::uint64_t>(thread_ns() - start_ns, 1));
  }
  std::sort(times_ns.begin(), times_ns.end());
  return {times_ns[times_ns.size() / 2], times_ns.front()};
}

void require(bool holds, const std::string& name, const std::string& what) {
  if (!holds) throw WrongAnswer(name + ": wrong answer: " + what);
}

double per_second(std::uint64_t count, std::uint64_t time_ns) {
  return static_cast<double>(count) * 1e9 / static_cast<double>(time_ns);
}

std::string table(const std::vector<Figure>& figures, const std::vector<Limit>& limits) {
  std::string text = padded("benchmark", -22) + padded("bytes", 13) + padded("entries", 14) +
                     padded("best", 11) + "   limit\n";
  for (const Figure& figure : figures) {
    const std::uint64_t median_ns = figure.timing.median_ns;
    text += padded(figure.name, -22);
    text += padded(rate(per_second(figure.bytes, median_ns), "B"), 13);
    text += padded(rate(per_second(figure.entries, median_ns), ""), 14);
    const double best_ms = static_cast<double>(figure.timing.best_ns) / 1e6;
    text += padded(format("%.2f ms", best_ms), 11);
    text += "   " + limit_cell(figure, find_limit(limits, figure.limit)) + "\n";
  }
  return text;
}

std::string json(const std::vector<Figure>& figures, const std::vector<Limit>& limits,
                 unsigned rounds) {
  const auto number = [](const char* key, std::uint64_t value) {
    return std::string("\"").append(key).append("\": ").append(std::to_string(value));
  };
  std::string text = "{\n " + number("rounds", rounds) + ",\n \"limits\": [";
  const char* comma = "\n  ";
  for (const Limit& limit : limits) {
    text += comma + std::string("{\"name\": \"") + limit.name + "\", " +
            number("bytes_per_second", limit.bytes_per_second) + "}";
    comma = ",\n  ";
  }
  text += "\n ],\n \"figures\": [";
  comma = "\n  ";
  for (const Figure& figure : figures) {
    text += comma + std::string("{\"name\": \"") + figure.name + "\", " +
            number("bytes", figure.bytes) + ", " + number("entries", figure.entries) + ", " +
            number("median_ns", figure.timing.median_ns) + ", " +
            number("best_ns", figure.timing.best_ns) + ", \"limit\": \"" + figure.limit + "\"}";
    comma = ",\n  ";
  }
  return text + "\n ]\n}\n";
}

}  // namespace micro
