#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <span>
#include <string>

#include "base/error.hpp"
#include "seccomp/profile.hpp"
#include "seccomp/syscall_table.hpp"

namespace fastlayers::seccomp {

namespace {

using sys::FilterProgram;

constexpr std::size_t kFarthest = std::numeric_limits<std::uint8_t>::max();

// What is answered to the numbers from `first` on: by the rules whose conditions hold, the first
// of them, or else `answer`.
struct Range {
  std::uint32_t first = 0;
  std::uint32_t answer = 0;
  std::vector<const Rule*> conditional;
};

struct Numbered {
  std::uint32_t number;
  const Rule* rule;
};

bool lets_pass(std::uint32_t answer) {
  const std::uint32_t action = answer & sys::kAnswerMask;
  return action == sys::kAnswerAllow || action == sys::kAnswerLog || action == sys::kAnswerTrace;
}

void append(FilterProgram& program, const FilterProgram& more) {
  program.insert(program.end(), more.begin(), more.end());
}

// Jumps whose length is not known yet: to the end of the condition's steps, where the next one
// begins or the answer is, and behind that answer.
constexpr std::uint8_t kHolds = 254;
constexpr std::uint8_t kFails = 255;

FilterProgram low_steps(const Condition& condition, std::uint32_t offset) {
  const auto value = static_cast<std::uint32_t>(condition.value);
  FilterProgram steps{{sys::kLoad, 0, 0, offset}};
  switch (condition.operation) {
    case Operator::equal:
      steps.push_back({sys::kJumpEqual, kHolds, kFails, value});
      break;
    case Operator::not_equal:
      steps.push_back({sys::kJumpEqual, kFails, kHolds, value});
      break;
    case Operator::greater:
      steps.push_back({sys::kJumpGreater, kHolds, kFails, value});
      break;
    case Operator::greater_equal:
      steps.push_back({sys::kJumpGreaterEqual, kHolds, kFails, value});
      break;
    case Operator::less:
      steps.push_back({sys::kJumpGreaterEqual, kFails, kHolds, value});
      break;
    case Operator::less_equal:
      steps.push_back({sys::kJumpGreater, kFails, kHolds, value});
      break;
    case Operator::masked_equal:
      steps.push_back({sys::kAnd, 0, 0, value});
      steps.push_back(
          {sys::kJumpEqual, kHolds, kFails, static_cast<std::uint32_t>(condition.value_two)});
      break;
  }
  return steps;
}

// What the high half decides alone; the low half follows where it decides nothing.
FilterProgram high_steps(const Condition& condition, std::uint32_t offset) {
  const auto value = static_cast<std::uint32_t>(condition.value >> 32);
  FilterProgram steps{{sys::kLoad, 0, 0, offset}};
  switch (condition.operation) {
    case Operator::equal:
      steps.push_back({sys::kJumpEqual, 0, kFails, value});
      break;
    case Operator::not_equal:
      steps.push_back({sys::kJumpEqual, 0, kHolds, value});
      break;
    case Operator::greater:
    case Operator::greater_equal:
      steps.push_back({sys::kJumpGreater, kHolds, 0, value});
      steps.push_back({sys::kJumpEqual, 0, kFails, value});
      break;
    case Operator::less:
    case Operator::less_equal:
      steps.push_back({sys::kJumpGreater, kFails, 0, value});
      steps.push_back({sys::kJumpEqual, 0, kHolds, value});
      break;
    case Operator::masked_equal:
      steps.push_back({sys::kAnd, 0, 0, value});
      steps.push_back(
          {sys::kJumpEqual, 0, kFails, static_cast<std::uint32_t>(condition.value_two >> 32)});
      break;
  }
  return steps;
}

FilterProgram condition_steps(const Condition& condition, bool is_32_bit) {
  FilterProgram steps;
  if (!is_32_bit && !condition.is_int) {
    steps = high_steps(condition, sys::high_half_of_argument(condition.argument));
  }
  append(steps, low_steps(condition, sys::low_half_of_argument(condition.argument)));
  // "It holds" is the end of these steps.
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto to_end = static_cast<std::uint8_t>(steps.size() - i - 1);
    if (steps[i].on_true == kHolds) steps[i].on_true = to_end;
    if (steps[i].on_false == kHolds) steps[i].on_false = to_end;
  }
  return steps;
}

FilterProgram rule_steps(const Rule& rule, bool is_32_bit) {
  FilterProgram steps;
  for (const auto& condition : rule.conditions)
    append(steps, condition_steps(condition, is_32_bit));
  // "It fails" is behind the answer. At most six conditions of seven steps: it is in reach.
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto behind = static_cast<std::uint8_t>(steps.size() - i);
    if (steps[i].on_true == kFails) steps[i].on_true = behind;
    if (steps[i].on_false == kFails) steps[i].on_false = behind;
  }
  steps.push_back({sys::kAnswer, 0, 0, rule.answer});
  return steps;
}

// A binary search over ranges, with the number loaded.
FilterProgram search(std::span<const Range> ranges, bool is_32_bit) {
  if (ranges.size() == 1) {
    FilterProgram steps;
    for (const Rule* rule : ranges[0].conditional) append(steps, rule_steps(*rule, is_32_bit));
    steps.push_back({sys::kAnswer, 0, 0, ranges[0].answer});
    return steps;
  }
  const std::size_t half = ranges.size() / 2;
  const FilterProgram below = search(ranges.first(half), is_32_bit);
  FilterProgram steps;
  if (below.size() <= kFarthest) {
    steps.push_back(
        {sys::kJumpGreaterEqual, static_cast<std::uint8_t>(below.size()), 0, ranges[half].first});
  } else {
    steps.push_back({sys::kJumpGreaterEqual, 0, 1, ranges[half].first});
    steps.push_back({sys::kJump, 0, 0, static_cast<std::uint32_t>(below.size())});
  }
  append(steps, below);
  append(steps, search(ranges.subspan(half), is_32_bit));
  return steps;
}

// What one interface's calls are answered.
class Section {
 public:
  Section(const Profile& profile, std::size_t abi) : profile_(profile), abi_(abi) {
    for (const Rule& rule : profile.rules) {
      // runc leaves them out as well.
      if (rule.answer == profile.default_answer) continue;
      for (const auto name : rule.names) add(rule, name);
    }
    // Not of the rules that are left out, but what they name is known.
    for (const Rule& rule : profile.rules) {
      for (const auto name : rule.names) {
        highest_ = std::max(highest_, number_of(name, abi));
      }
    }
    std::stable_sort(calls_.begin(), calls_.end(),
                     [](const Numbered& a, const Numbered& b) { return a.number < b.number; });
  }

  FilterProgram steps() const { return search(ranges(), abis()[abi_].is_32_bit); }

 private:
  void add(const Rule& rule, std::string_view name) {
    if (const auto number = number_of(name, abi_); number != kNoNumber) {
      calls_.push_back({static_cast<std::uint32_t>(number), &rule});
    }
    const Multiplexed way = multiplexed(name, abi_);
    if (way.through.empty()) return;
    // As libseccomp has it: which call it is takes the place of the first argument, for the others
    // are in memory, where a filter cannot look.
    Rule& through = through_.emplace_back(rule);
    std::erase_if(through.conditions, [](const Condition& c) { return c.argument == 0; });
    through.conditions.push_back({0, Operator::equal, way.selector, 0, true});
    calls_.push_back({static_cast<std::uint32_t>(number_of(way.through, abi_)), &through});
  }

  std::vector<Range> ranges() const {
    const std::uint32_t base = abis()[abi_].name == "SCMP_ARCH_X32" ? kX32Bit : 0;
    std::vector<Range> result{{base, profile_.default_answer, {}}};
    for (auto call = calls_.begin(); call != calls_.end();) {
      const auto end = std::find_if(
          call, calls_.end(), [&](const Numbered& other) { return other.number != call->number; });
      put(result, range_of(std::span(call, end)));
      put(result, {call->number + 1, profile_.default_answer, {}});
      call = end;
    }
    if (!lets_pass(profile_.default_answer)) {
      put(result, {static_cast<std::uint32_t>(std::max<std::int64_t>(highest_ + 1, base)),
                   sys::kAnswerErrno | ENOSYS,
                   {}});
    }
    return result;
  }

  // Neighbours that are answered the same are one.
  static void put(std::vector<Range>& ranges, Range range) {
    if (ranges.back().first == range.first) ranges.pop_back();
    if (!ranges.empty() && ranges.back().conditional.empty() && range.conditional.empty() &&
        ranges.back().answer == range.answer) {
      return;
    }
    ranges.push_back(std::move(range));
  }

  Range range_of(std::span<const Numbered> calls) const {
    Range range{calls.front().number, profile_.default_answer, {}};
    const Rule* whole = nullptr;
    for (const Numbered& call : calls) {
      if (!call.rule->conditions.empty()) {
        range.conditional.push_back(call.rule);
      } else if (whole == nullptr) {
        whole = call.rule;
      } else if (whole->answer != call.rule->answer) {
        throw Error(ErrorKind::invalid, "the seccomp profile has two actions for system call " +
                                            std::to_string(call.number) + " of " +
                                            std::string(abis()[abi_].name));
      }
    }
    if (whole != nullptr) {
      range.answer = whole->answer;
      range.conditional.clear();
    }
    return range;
  }

  const Profile& profile_;
  std::size_t abi_;
  std::vector<Numbered> calls_;
  std::deque<Rule> through_;
  std::int64_t highest_ = -1;
};

bool covers(const Profile& profile, std::size_t abi) {
  const auto& names = profile.architectures;
  return abi == 0 || std::find(names.begin(), names.end(), abis()[abi].name) != names.end();
}

// The calls of one audit architecture; x32's numbers are behind the others.
FilterProgram architecture_steps(const Profile& profile, std::size_t abi) {
  FilterProgram steps{{sys::kLoad, 0, 0, sys::kCallNumber}};
  const FilterProgram own = Section(profile, abi).steps();
#if defined(__x86_64__)
  constexpr std::size_t kX32 = 2;
  if (abi == 0) {
    FilterProgram others{{sys::kAnswer, 0, 0, sys::kAnswerKillThread}};
    if (covers(profile, kX32)) others = Section(profile, kX32).steps();
    // -1 is no call of x32's but one that a tracer has taken back.
    steps.push_back({sys::kJumpEqual, 2, 0, 0xffffffff});
    steps.push_back({sys::kJumpGreaterEqual, 0, 1, kX32Bit});
    steps.push_back({sys::kJump, 0, 0, static_cast<std::uint32_t>(own.size())});
    append(steps, own);
    append(steps, others);
    return steps;
  }
#endif
  append(steps, own);
  return steps;
}

}  // namespace

sys::FilterProgram compile(const Profile& profile) {
  FilterProgram program{{sys::kLoad, 0, 0, sys::kCallArchitecture}};
  for (std::size_t abi = 0; abi < abis().size(); ++abi) {
    const bool is_x32 = abi > 0 && abis()[abi].audit_architecture == abis()[0].audit_architecture;
    if (is_x32 || !covers(profile, abi)) continue;
    const FilterProgram steps = architecture_steps(profile, abi);
    program.push_back({sys::kJumpEqual, 1, 0, abis()[abi].audit_architecture});
    program.push_back({sys::kJump, 0, 0, static_cast<std::uint32_t>(steps.size())});
    append(program, steps);
  }
  program.push_back({sys::kAnswer, 0, 0, sys::kAnswerKillThread});
  if (program.size() > sys::kMaxFilterSteps) {
    throw Error(ErrorKind::invalid, "the seccomp profile makes a filter of " +
                                        std::to_string(program.size()) +
                                        " instructions; the kernel takes 4096");
  }
  return program;
}

}  // namespace fastlayers::seccomp
