#include "diff/tree_tar.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "diff/upper.hpp"
#include "sys/file.hpp"

namespace fastlayers::diff {

namespace {

class Text : public Sink {
 public:
  void write(Bytes data) override {
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  std::string bytes;
};

}  // namespace

// Every attribute of sysfs says it has a page, and has fewer bytes when it is read: what a file
// is like that somebody cuts while it is being committed.
TEST_CASE("a file that gets shorter while it is read is named, and its tar is not finished") {
  const std::string folder = "/sys/kernel/mm/transparent_hugepage";
  if (!sys::exists(folder)) {
    MESSAGE("skipped: no ", folder);
    return;
  }
  const sys::Fd root = sys::open(folder, O_RDONLY | O_DIRECTORY);
  Text tar;
  try {
    write_tree_tar(nullptr, root.get(), tar);
    FAIL("was not refused");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(std::string(error.what()).find("shrank while it was read") != std::string::npos);
  }
  CHECK_FALSE(tar.bytes.ends_with(std::string(1024, '\0')));
}

}  // namespace fastlayers::diff
