// A table file: what opens can be walked to its last byte, searched, and applied.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/fuzz_fixture.hpp"
#include "digest/xxh3.hpp"
#include "table/resolve.hpp"

namespace fastlayers {

namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kChecksumOffset = 40;

// Reads every byte that an accessor gives.
std::size_t touch(std::string_view text) {
  std::size_t sum = text.size();
  for (const char c : text) sum += static_cast<unsigned char>(c);
  return sum;
}

std::size_t walk(const table::Table& table) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const table::Entry& e = table[i];
    sum += touch(table.path(e)) + touch(table.name(e)) + touch(table.link(e));
    fuzz::refusal([&] {
      for (const auto& [name, value] : table.xattrs(e)) sum += touch(name) + touch(value);
    });
    if (table.order() == table::Order::path) {
      const auto found = table.find(table.path(e));
      fuzz::require(!found || *found < table.size(), "found behind the end");
      fuzz::require(table.subtree_end(i) <= table.size(), "a subtree that ends behind the end");
    }
  }
  return sum;
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  std::string file(fuzz::text_of(data, size));
  if (file.size() >= kHeaderBytes) {  // or nothing behind the checksum would ever be tried
    const std::uint64_t checksum = digest::xxh3_64(as_bytes(file).subspan(kHeaderBytes));
    std::memcpy(file.data() + kChecksumOffset, &checksum, sizeof(checksum));
  }
  const sys::Fd memory(::memfd_create("table", MFD_CLOEXEC));
  sys::write_all_at(memory.get(), as_bytes(file), 0);
  fuzz::refusal([&] {
    const table::Table table = table::Table::open("/proc/self/fd/" + std::to_string(memory.get()));
    walk(table);
    if (table.order() != table::Order::tar) return;
    const table::Table once = table::apply(nullptr, table);
    walk(once);
    walk(table::apply(&once, table));
  });
  return 0;
}
