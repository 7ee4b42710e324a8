// PAX records: parsed or refused; what was parsed can be merged, and then is sorted.
#include <algorithm>

#include "base/fuzz_fixture.hpp"
#include "tar/pax.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  const Bytes body = as_bytes(fuzz::text_of(data, size));
  for (const tar::PaxScope scope : {tar::PaxScope::member, tar::PaxScope::global}) {
    fuzz::refusal([&] {
      tar::PaxRecords records;
      tar::parse_pax(body, scope, {}, records);
      tar::PaxXattrs merged;
      tar::PaxXattrs global = records.xattrs;
      tar::merge_xattrs(global, records.xattrs, merged);
      fuzz::require(std::is_sorted(merged.begin(), merged.end()), "attributes are not sorted");
      if (const auto* time = records.mtime.get()) {
        fuzz::require(time->nsec < 1'000'000'000, "more nanoseconds than a second has");
      }
    });
  }
  return 0;
}
