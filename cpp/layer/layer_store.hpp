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
  void publish(table::Table& table, Recorder& recorder, const digest::DiffId& id) const;

 private:
  blob::BlobStore blobs_;
};

}  // namespace fastlayers::layer
