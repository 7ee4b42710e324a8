#include "run/environment.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace fastlayers::run {

using Strings = std::vector<std::string>;

TEST_CASE("the defaults come first, HOME last, and the caller's values count") {
  CHECK(make_environment({}, {"box", "/root", false}) ==
        Strings{"PATH=" + std::string(kDefaultPath), "HOSTNAME=box", "HOME=/root"});
  CHECK(make_environment({"A=1", "PATH=/bin", "TERM=dumb", "A=2=3", "E="}, {"box", "/", true}) ==
        Strings{"PATH=/bin", "HOSTNAME=box", "TERM=dumb", "A=2=3", "E=", "HOME=/"});
  CHECK(make_environment({"HOME=/x"}, {"box", "/root", false}).back() == "HOME=/x");
}

TEST_CASE("an entry that is no assignment is refused") {
  for (const auto& entry : {std::string("A"), std::string("=x"), std::string("A=\0b", 4)}) {
    CHECK_THROWS_AS(make_environment({entry}, {"box", "/", false}), Error);
  }
}

TEST_CASE("a value is found by its whole name") {
  const Strings environment{"PATHS=/no", "PATH=/bin"};
  CHECK(value_of(environment, "PATH") == "/bin");
  CHECK(value_of(environment, "PAT").empty());
}

}  // namespace fastlayers::run
