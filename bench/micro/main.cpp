// fastlayers_micro [--quick] [--json] [--rounds N] [--work FOLDER]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "benchmarks.hpp"
#include "codec/gzip.hpp"
#include "codec/zstd.hpp"

namespace micro {

namespace {

using namespace fastlayers;

struct Options {
  bool quick = false;
  bool json = false;
  unsigned rounds = 7;
  std::string work = "/dev/shm";
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--quick") {
      options.quick = true;
    } else if (word == "--json") {
      options.json = true;
    } else if (word == "--rounds" && has_value && std::atoi(argv[i + 1]) > 0) {
      options.rounds = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--work" && has_value) {
      options.work = argv[++i];
    } else {
      throw std::runtime_error(
          "usage: fastlayers_micro [--quick] [--json] [--rounds N]"
          " [--work FOLDER]");
    }
  }
  return options;
}

template <class Encoder>
std::string compressed(const std::string& text, Encoder make) {
  MemorySink sink;
  const auto encoder = make(sink);
  encoder->write(as_bytes(text));
  encoder->finish();
  return std::move(sink.text);
}

int run(const Options& options) {
  Context context;
  context.rounds = options.rounds;
  context.work = options.work;
  context.sample = make_sample(options.quick ? 20 : 200);
  context.table_folders = options.quick ? 200 : 2000;
  const std::string& tar = context.sample.tar;
  context.gzip =
      compressed(tar, [](Sink& out) { return codec::gzip_encoder(codec::zlib_engine(), 6, out); });
  context.zstd = compressed(tar, [](Sink& out) { return codec::zstd_encoder(3, out); });

  const std::vector<Limit> limits = measure_limits(context);
  Figures figures;
  for (const auto part :
       {codec_figures, digest_figures, tar_figures, table_figures, profile_figures}) {
    for (Figure& figure : part(context)) figures.push_back(std::move(figure));
  }
  const std::string text =
      options.json ? json(figures, limits, options.rounds) : table(figures, limits);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

}  // namespace micro

int main(int argc, char** argv) {
  try {
    return micro::run(micro::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fastlayers_micro: %s\n", error.what());
    return 1;
  }
}
