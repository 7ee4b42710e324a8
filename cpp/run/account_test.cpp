#include "run/account.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

namespace fastlayers::run {

namespace {

constexpr const char* kPasswd =
    "# a comment\n"
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken:x:notanumber:0::/:/bin/sh\n"
    "wrapped:x:4294967296:0::/:/bin/sh\n"
    "short:x\n"
    "\n"
    "alice:x:1000:1001:Alice:/home/alice:/bin/sh\r\n"
    "4242:x:7:7::/seven:/bin/sh\n"
    "homeless:x:1002:1002:::/bin/sh\n"
    "alice:x:0:0::/second:/bin/sh";

constexpr const char* kGroup =
    "root:x:0:root\n"
    "wheel:x:10:root,alice\n"
    "audio:x:29:alice2,alice\n"
    "video:x:44:alicea\n"
    "bad:x:-5:alice\n"
    "wheel2:x:10:alice\n";

std::string failure(const std::string& user) {
  try {
    find_account(user, kPasswd, kGroup);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("no user is root, with root's home and groups") {
  const Account account = find_account("", kPasswd, kGroup);
  CHECK(account.uid == 0);
  CHECK(account.gid == 0);
  CHECK(account.home == "/root");
  CHECK(account.groups == std::vector<unsigned>{0, 0, 10});
}

TEST_CASE("a name brings its group, home and supplementary groups") {
  const Account account = find_account("alice", kPasswd, kGroup);
  CHECK(account.uid == 1000);
  CHECK(account.gid == 1001);
  CHECK(account.home == "/home/alice");
  CHECK(account.groups == std::vector<unsigned>{1001, 10, 29});
  CHECK(find_account("homeless", kPasswd, kGroup).home == "/");
}

TEST_CASE("more groups are names or numbers, also of a user with a group") {
  CHECK(find_account("alice:5", kPasswd, kGroup, {"video", "77"}).groups ==
        std::vector<unsigned>{5, 44, 77});
  CHECK(find_account("", kPasswd, kGroup, {"0"}).groups == std::vector<unsigned>{0, 0, 10, 0});
  CHECK_THROWS_AS(find_account("", kPasswd, kGroup, {"nope"}), Error);
  CHECK_THROWS_AS(find_account("", kPasswd, kGroup, {"4294967296"}), Error);
}

TEST_CASE("a number is an id, known or not, and never a name") {
  CHECK(find_account("1000", kPasswd, kGroup).gid == 1001);
  const Account unknown = find_account("4242", kPasswd, kGroup);
  CHECK(unknown.uid == 4242);
  CHECK(unknown.gid == 0);
  CHECK(unknown.home == "/");
  CHECK(unknown.groups == std::vector<unsigned>{0});
}

TEST_CASE("a group that is given replaces all others") {
  CHECK(find_account("alice:audio", kPasswd, kGroup).groups == std::vector<unsigned>{29});
  CHECK(find_account("alice:777", kPasswd, kGroup).gid == 777);
  CHECK(find_account("4242:777", "", "").groups == std::vector<unsigned>{777});
  CHECK(find_account(":wheel", kPasswd, kGroup).uid == 0);
  CHECK(find_account("alice:", kPasswd, kGroup).gid == 1001);
}

TEST_CASE("what is not there is named") {
  CHECK(failure("bob") == "unable to find user bob: no matching entries in passwd file");
  CHECK(failure("alice:nobody") ==
        "unable to find group nobody: no matching entries in group file");
  CHECK(failure("broken") != "");
  CHECK(failure("wrapped") != "");
  CHECK(failure("alice:bad") != "");
}

TEST_CASE("an id out of range is an error, not root") {
  for (const char* user : {"-1", "+1", "2147483648", "4294967296", "18446744073709551616",
                           "99999999999999999999999999", "0:4294967296"}) {
    CHECK(failure(user).find("must be in range") != std::string::npos);
  }
  CHECK(find_account("2147483647", "", "").uid == 2147483647U);
}

TEST_CASE("a user in absurdly many groups is refused") {
  std::string group;
  for (int i = 0; i < 70000; ++i) group += "g:x:" + std::to_string(i) + ":alice\n";
  CHECK_THROWS_AS(find_account("alice", kPasswd, group), Error);
}

}  // namespace fastlayers::run
