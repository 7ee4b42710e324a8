#include "run/identity.hpp"

#include <doctest/doctest.h>

#include <cerrno>

namespace fastlayers::run {

TEST_CASE("root becomes whoever it wants to be, and cannot go back") {
  Ids ids{0, 0, 0};
  CHECK(set_id(ids, 33, true) == 0);
  CHECK(ids == Ids{33, 33, 33});
  CHECK(set_id(ids, 0, false) == EPERM);
  CHECK(set_all(ids, {kKeepId, 0, kKeepId}, false) == EPERM);
  CHECK(set_real_effective(ids, kKeepId, 0, false) == EPERM);
  CHECK(set_real_effective(ids, 0, kKeepId, false) == EPERM);
  CHECK(ids == Ids{33, 33, 33});
}

TEST_CASE("who has kept root as the saved id goes back") {
  Ids ids{0, 0, 0};
  CHECK(set_all(ids, {kKeepId, 33, kKeepId}, true) == 0);
  CHECK(ids == Ids{0, 33, 0});
  CHECK(set_id(ids, 0, false) == 0);
  CHECK(ids == Ids{0, 0, 0});
  CHECK(set_all(ids, {1, 2, 3}, true) == 0);
  CHECK(set_all(ids, {3, 1, 2}, false) == 0);
  CHECK(ids == Ids{3, 1, 2});
  CHECK(set_all(ids, {3, 1, 4}, false) == EPERM);
  CHECK(ids == Ids{3, 1, 2});
}

TEST_CASE("setreuid moves the saved id as setreuid(2) says") {
  Ids ids{5, 5, 5};
  CHECK(set_real_effective(ids, kKeepId, 5, false) == 0);
  CHECK(ids == Ids{5, 5, 5});
  ids = {0, 0, 0};
  CHECK(set_real_effective(ids, kKeepId, 7, true) == 0);
  CHECK(ids == Ids{0, 7, 7});
  CHECK(set_real_effective(ids, 7, 0, false) == 0);  // swapped
  CHECK(ids == Ids{7, 0, 0});
}

TEST_CASE("-1 is nobody") {
  Ids ids{0, 0, 0};
  CHECK(set_id(ids, kKeepId, true) == EINVAL);
  CHECK(set_all(ids, {kKeepId, kKeepId, kKeepId}, false) == 0);
  CHECK(ids == Ids{0, 0, 0});
}

}  // namespace fastlayers::run
