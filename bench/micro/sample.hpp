// Sample: what the benchmarks work on, the same on every machine: the tar of a tree of many small
// text files as node_modules has them, written here block by block and not by the core.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io.hpp"
#include "digest/sha256.hpp"
#include "table/table.hpp"
#include "tar/header.hpp"

namespace micro {

struct Sample {
  std::string tar;
  std::vector<fastlayers::tar::Header> members;  // with data_offset
  std::uint64_t content_bytes = 0;
  fastlayers::digest::Hash256 sha256{};  // of the tar, by OpenSSL directly
};

// `folders` directories of 50 files, of 8,000 bytes in the mean.
Sample make_sample(std::size_t folders);

// A resolved table of `folders` directories of 50 files. The files with a number of `first` and
// more, of which there are 50 - first a folder, belong to layer 1, the others to layer 0.
struct TreeShape {
  std::size_t folders = 0;
  std::size_t every = 1;  // only each n-th folder
  std::size_t first = 0;
  std::size_t files = 50;
  std::uint32_t mode = 0644;
};
fastlayers::table::Table make_table(const TreeShape& shape);

fastlayers::digest::Hash256 openssl_sha256(fastlayers::Bytes bytes);

// Sinks and sources over memory.
class MemorySource : public fastlayers::Source {
 public:
  explicit MemorySource(fastlayers::Bytes bytes) : bytes_(bytes) {}
  std::size_t read(fastlayers::MutableBytes buffer) override;

 private:
  fastlayers::Bytes bytes_;
};

class MemorySink : public fastlayers::Sink {
 public:
  void write(fastlayers::Bytes bytes) override { text += fastlayers::as_text(bytes); }
  std::string text;
};

}  // namespace micro
