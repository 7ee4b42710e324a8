// LayerStore: what is derived from each layer, under ROOT/layers/<diff_id hex>/.
//
//   table   the layer's file table (tar order)
//   side    its sparse members, expanded (only if it has any)
//
// The tar itself is the blob named by the diff_id. Everything here can be rebuilt from blobs. A
// folder appears by rename, complete. Any thread, any process.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blob/blob_store.hpp"
#include "codec/codec.hpp"
#include "layer/recorder.hpp"

namespace fastlayers::layer {

struct LayerInfo {
  digest::Digest digest;  // of the blob as it came
  std::uint64_t size = 0;
  digest::DiffId diff_id;
  std::uint64_t tar_size = 0;
  codec::Compression compression = codec::Compression::none;
  std::uint64_t entries = 0;
  std::uint64_t content_size = 0;
};

// A folder of files derived from a layer; gone with this object unless it was published.
class StagedLayer {
 public:
  explicit StagedLayer(std::string path) : path_(std::move(path)) {}
  StagedLayer(StagedLayer&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  StagedLayer& operator=(StagedLayer&&) = delete;
  ~StagedLayer();

 private:
  friend class LayerStore;
  std::string path_;
};

class LayerStore {
 public:
  explicit LayerStore(std::string root) : blobs_(std::move(root)) {}

  const blob::BlobStore& blobs() const { return blobs_; }
  std::string directory(const digest::DiffId& id) const;
  std::string table_path(const digest::DiffId& id) const { return directory(id) + "/table"; }
  std::string side_path(const digest::DiffId& id) const { return directory(id) + "/side"; }
  std::string tar_path(const digest::DiffId& id) const { return blobs_.path(id.hash); }

  // The layer if both its tar and its table are there (digest and size are then the tar's).
  std::optional<LayerInfo> info(const digest::DiffId& id) const;
  table::Table table(const digest::DiffId& id) const;  // not_found names the layer
  // Reads the tar and derives everything from it anew: "tar" if it is not what its name says, or
  // which of "table" and "side" are not what it gives. not_found without the tar.
  std::vector<std::string> damage(const digest::DiffId& id) const;
  // What is derived, in a folder that nobody sees yet; not synced.
  StagedLayer stage(table::Table& table, Recorder& recorder) const;
  // Gives it its name, unless the layer has been derived already. All must be on the disk.
  void publish(StagedLayer& staged, const digest::DiffId& id) const;

 private:
  blob::BlobStore blobs_;
};

}  // namespace fastlayers::layer
