#include "bindings/bindings.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace fastlayers::bindings;
  register_errors(module);
  register_blob(module);
  register_layer(module);
  register_table(module);
  register_search(module);
  register_mount(module);
  register_diff(module);
  register_copy(module);
  register_run(module);
  register_profile(module);
}
