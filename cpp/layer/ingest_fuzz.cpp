// A layer blob all the way into a store: refused, or stored so that everything derived from it
// comes out the same a second time, on its own and on top of itself.
#include <filesystem>

#include "base/fuzz_fixture.hpp"
#include "layer/chain.hpp"
#include "layer/ingest.hpp"
#include "tar/seal_fixture.hpp"

namespace fastlayers {

namespace {

// On a RAM disk, and gone with the process.
struct Store {
  Store() : root("/dev/shm/" + sys::unique_name("fastlayers-fuzz-")) { sys::make_dirs(root, 0700); }
  ~Store() { std::filesystem::remove_all(root); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  std::string root;
};

void empty(const std::string& folder) {
  if (!sys::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    fuzz::require(entry.path().filename().string()[0] != '.', "something half-made is left");
    std::filesystem::remove_all(entry.path());
  }
}

}  // namespace

}  // namespace fastlayers

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fastlayers;
  static const Store store;
  fuzz::refusal([&] {
    layer::Ingest ingest(store.root, {});
    ingest.write(as_bytes(fuzz::text_of(data, size)));
    const layer::LayerInfo info = ingest.finish();
    fuzz::require(layer::LayerStore(store.root).damage(info.diff_id).empty(),
                  "a layer that was just stored is damaged");
    const layer::ChainStore chains(store.root);
    for (const layer::Stack& stack :
         {layer::Stack{info.diff_id}, layer::Stack{info.diff_id, info.diff_id}}) {
      chains.merged(stack);
      chains.erofs_parts(stack);
      fuzz::require(chains.damage(stack).empty(), "a chain that was just built is damaged");
    }
  });
  for (const char* folder : {"/blobs/sha256", "/layers", "/chains"}) empty(store.root + folder);
  return 0;
}
