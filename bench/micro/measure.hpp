// Measuring: a benchmark is run once and its answer checked, then run again and again and timed.
//
// Times are CPU times of the thread, so that what else the machine does hardly counts; the kernel's
// work for the thread is in them.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace micro {

struct Timing {
  std::uint64_t median_ns = 0;
  std::uint64_t best_ns = 0;
};

// What a benchmark did in one run, and how long that took.
struct Figure {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  Timing timing;
  std::string limit;  // the name of the machine's limit that it is held against; may be ""
};

// The best of the rounds: a limit is what the machine can do.
struct Limit {
  std::string name;
  std::uint64_t bytes_per_second = 0;
};

class WrongAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `rounds` runs of `work`, after one that is not counted.
Timing measure(unsigned rounds, const std::function<void()>& work);

// Throws WrongAnswer, naming the benchmark, if it does not hold.
void require(bool holds, const std::string& name, const std::string& what);

double per_second(std::uint64_t count, std::uint64_t time_ns);

std::string table(const std::vector<Figure>& figures, const std::vector<Limit>& limits);
std::string json(const std::vector<Figure>& figures, const std::vector<Limit>& limits,
                 unsigned rounds);

}  // namespace micro
