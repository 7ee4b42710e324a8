// run::LaunchSpec as Python fills it in, with roots as the store names them.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "run/launch.hpp"

namespace fastlayers::bindings {

using Bind = std::tuple<std::string, std::string, bool, bool>;
using TmpfsOptions = std::vector<std::pair<std::string, std::string>>;
using Tmpfs = std::tuple<std::string, TmpfsOptions, bool, bool, bool>;
using ImageMount = std::tuple<DiffIds, std::string>;

struct PyLaunchSpec {
  std::string root;
  DiffIds diff_ids;
  std::string backend = "erofs";
  std::string network = "host";
  std::string ipc = "private";
  std::vector<Bind> binds;
  std::vector<Tmpfs> tmpfs;
  std::vector<ImageMount> images;
  bool discard = false;  // the container is removed when it ends
  run::LaunchSpec spec;
};

// What it needs of the store is built when it is missing. Without a directory its root is that of
// the bare image.
run::LaunchSpec to_spec(const PyLaunchSpec& request);

}  // namespace fastlayers::bindings
