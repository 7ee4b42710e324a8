// The filters, asked as the kernel would ask them, beside those that libseccomp makes of the same
// profile.
#include <doctest/doctest.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "seccomp/profile.hpp"
#include "seccomp/syscall_table.hpp"
#include "sys/credentials.hpp"
#include "sys/fd.hpp"

namespace fastlayers::seccomp {

namespace {

constexpr std::uint32_t kPermission = sys::kAnswerErrno | EPERM;
constexpr std::uint32_t kUnknown = sys::kAnswerErrno | ENOSYS;

sys::AskedCall question(std::uint32_t architecture, std::uint32_t number, std::uint64_t first = 0) {
  return {number, architecture, 0, {first}};
}

std::uint32_t audit(std::size_t abi) { return abis()[abi].audit_architecture; }

std::uint32_t answer_to(const sys::FilterProgram& program, std::size_t abi, std::string_view name,
                        std::uint64_t first = 0) {
  const auto number = number_of(name, abi);
  REQUIRE(number != kNoNumber);
  return ask(program, question(audit(abi), static_cast<std::uint32_t>(number), first));
}

sys::FilterProgram one_condition(Operator operation, std::uint64_t value, std::uint64_t two = 0) {
  Profile profile;
  profile.default_answer = kPermission;
  profile.rules.push_back({{"read"}, sys::kAnswerAllow, {{0, operation, value, two, false}}});
  return compile(profile);
}

bool expected(Operator operation, std::uint64_t argument, std::uint64_t value, std::uint64_t two) {
  switch (operation) {
    case Operator::not_equal:
      return argument != value;
    case Operator::less:
      return argument < value;
    case Operator::less_equal:
      return argument <= value;
    case Operator::equal:
      return argument == value;
    case Operator::greater_equal:
      return argument >= value;
    case Operator::greater:
      return argument > value;
    case Operator::masked_equal:
      return (argument & value) == two;
  }
  return false;
}

// The same profile as libseccomp compiles it.
class Oracle {
 public:
  explicit Oracle(const Profile& profile) : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
#if defined(__x86_64__)
    REQUIRE(seccomp_arch_add(context_, SCMP_ARCH_X86) == 0);
    REQUIRE(seccomp_arch_add(context_, SCMP_ARCH_X32) == 0);
#else
    REQUIRE(seccomp_arch_add(context_, SCMP_ARCH_ARM) == 0);
#endif
    for (const Rule& rule : profile.rules) {
      for (const auto name : rule.names) add(rule, std::string(name));
    }
    char path[] = "/tmp/fastlayers-oracle-XXXXXX";
    const sys::Fd file(::mkstemp(path));
    ::unlink(path);
    REQUIRE(seccomp_export_bpf(context_, file.get()) == 0);
    program_.resize(sys::kMaxFilterSteps);
    const auto bytes =
        ::pread(file.get(), program_.data(), program_.size() * sizeof(sys::FilterStep), 0);
    REQUIRE(bytes > 0);
    program_.resize(static_cast<std::size_t>(bytes) / sizeof(sys::FilterStep));
  }
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;
  ~Oracle() { seccomp_release(context_); }
  const sys::FilterProgram& program() const { return program_; }

 private:
  void add(const Rule& rule, const std::string& name) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) return;  // newer than this libseccomp
    constexpr scmp_compare kOperators[] = {SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
                                           SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ};
    std::vector<scmp_arg_cmp> conditions;
    for (const auto& c : rule.conditions) {
      conditions.push_back(
          {c.argument, kOperators[static_cast<int>(c.operation)], c.value, c.value_two});
    }
    const std::uint32_t action =
        rule.answer == sys::kAnswerAllow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(rule.answer & 0xffff);
    REQUIRE(seccomp_rule_add_array(context_, action, number,
                                   static_cast<unsigned>(conditions.size()),
                                   conditions.data()) == 0);
  }

  scmp_filter_ctx context_;
  sys::FilterProgram program_;
};

}  // namespace

TEST_CASE("each operator compares 64 bits") {
  constexpr std::uint64_t kValues[] = {
      0, 1, 7, 8, 0xffffffff, 1ULL << 32, (7ULL << 32) + 7, (8ULL << 32) + 1, ~0ULL};
  for (int number = 0; number <= static_cast<int>(Operator::masked_equal); ++number) {
    const auto operation = static_cast<Operator>(number);
    for (const auto value : kValues) {
      for (const std::uint64_t two : {std::uint64_t{0}, value}) {
        const auto program = one_condition(operation, value, two);
        for (const auto argument : kValues) {
          CAPTURE(number);
          CAPTURE(value);
          CAPTURE(argument);
          const bool allowed = answer_to(program, 0, "read", argument) == sys::kAnswerAllow;
          CHECK(allowed == expected(operation, argument, value, two));
        }
      }
    }
  }
}

TEST_CASE("Docker's profile answers as libseccomp's filter of it does") {
  for (const std::uint64_t capabilities :
       {sys::default_capabilities(), std::uint64_t{0}, (std::uint64_t{1} << 41) - 1}) {
    const Profile profile = default_profile(capabilities);
    const sys::FilterProgram program = compile(profile);
    const Oracle oracle(profile);
    CHECK(program.size() < 1000);
    int compared = 0;
    for (std::size_t abi = 0; abi < abis().size(); ++abi) {
      const std::uint32_t base = abis()[abi].name == "SCMP_ARCH_X32" ? kX32Bit : 0;
      const std::uint32_t token =
          seccomp_arch_resolve_name(base != 0                            ? "x32"
                                    : abi == 1 && audit(0) == 0xc000003e ? "x86"
                                    : abi == 1                           ? "arm"
                                                                         : "");
      for (std::uint32_t number = base; number < base + 600; ++number) {
        char* name = seccomp_syscall_resolve_num_arch(token == 0 ? seccomp_arch_native() : token,
                                                      static_cast<int>(number));
        if (name == nullptr) continue;  // what it does not know we may
        const std::string known = name;
        std::free(name);
        for (const std::uint64_t first :
             {0x0ULL, 0x8ULL, 0x11ULL, 0x26ULL, 0x27ULL, 0x28ULL, 0x29ULL, 0x20000ULL, 0x20008ULL,
              0x10000011ULL, 0x40000000ULL, 0x80000ULL, 0xffffffffULL}) {
          CAPTURE(known);
          CAPTURE(first);
          const auto data = question(audit(abi), number, first);
          CHECK(ask(program, data) == ask(oracle.program(), data));
          ++compared;
        }
      }
    }
    CHECK(compared > 10000);
  }
}

TEST_CASE("what Docker's profile does not know is unknown, what is newer than libseccomp is not") {
  const auto program = compile(default_profile(sys::default_capabilities()));
  CHECK(answer_to(program, 0, "mseal") == sys::kAnswerAllow);
  CHECK(answer_to(program, 0, "fchmodat2") == sys::kAnswerAllow);
  CHECK(answer_to(program, 1, "setxattrat") == sys::kAnswerAllow);
  CHECK(ask(program, question(audit(0), 467)) == kUnknown);
  CHECK(ask(program, question(audit(0), 0xffffffff)) == kUnknown);
  CHECK(ask(program, question(audit(1), 5000)) == kUnknown);
  CHECK(ask(program, question(0x12345678, 0)) == sys::kAnswerKillThread);
}

TEST_CASE("an address family is an int, whatever is in the register's high half") {
  const auto program = compile(default_profile(sys::default_capabilities()));
  CHECK(answer_to(program, 0, "socket", 0x100000028) == kPermission);
  CHECK(answer_to(program, 0, "socket", 0x100000002) == sys::kAnswerAllow);
}

TEST_CASE("an interface that a profile does not cover is none to be used") {
  const auto program = one_condition(Operator::equal, 0);
  CHECK(ask(program, question(audit(1), 3)) == sys::kAnswerKillThread);
#if defined(__x86_64__)
  CHECK(ask(program, question(audit(0), kX32Bit)) == sys::kAnswerKillThread);
#endif
}

TEST_CASE("a rule without conditions counts first, two that disagree are refused") {
  Profile profile;
  profile.default_answer = kPermission;
  profile.rules.push_back({{"read"}, kUnknown, {{0, Operator::equal, 1, 0, false}}});
  profile.rules.push_back({{"read", "no_such_call"}, sys::kAnswerAllow, {}});
  CHECK(answer_to(compile(profile), 0, "read", 1) == sys::kAnswerAllow);
  profile.rules.push_back({{"read"}, kUnknown, {}});
  CHECK_THROWS_AS(compile(profile), Error);
}

TEST_CASE("a profile that is too long for the kernel is refused") {
  Profile profile;
  profile.default_answer = kPermission;
  for (std::uint64_t value = 0; value < 2000; ++value) {
    profile.rules.push_back({{"read"}, sys::kAnswerAllow, {{0, Operator::equal, value, 0, false}}});
  }
  CHECK_THROWS_AS(compile(profile), Error);
}

}  // namespace fastlayers::seccomp
