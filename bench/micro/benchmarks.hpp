// The benchmarks, by part of the core. Each checks its answer against a reference before it is
// timed, and throws WrongAnswer if it differs.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"
#include "sample.hpp"

namespace micro {

struct Context {
  Sample sample;
  std::string gzip;  // the sample's tar at level 6
  std::string zstd;  // and at level 3
  unsigned rounds = 0;
  std::size_t table_folders = 0;
  std::string work;  // a folder for the files that are written
};

std::vector<Limit> measure_limits(const Context& context);

using Figures = std::vector<Figure>;
Figures codec_figures(const Context& context);
Figures digest_figures(const Context& context);
Figures tar_figures(const Context& context);
Figures table_figures(const Context& context);
Figures profile_figures(const Context& context);

}  // namespace micro
