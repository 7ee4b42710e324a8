// Recorder: the tar visitor that writes a layer's file table while the layer streams by.
//
// Judges what the reader only reads: names are normalised inside the root (lexically), whiteouts
// become kinds, overlay's control xattrs are dropped, contents are hashed, and sparse members
// are expanded into a side file. Errors name the entry. Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "digest/xxh3.hpp"
#include "sys/file.hpp"
#include "table/table.hpp"
#include "tar/reader.hpp"

namespace fastlayers::layer {

inline constexpr std::size_t kMaxPathBytes = 16384;
inline constexpr std::size_t kMaxEntries = std::size_t{1} << 26;  // of one layer

// `path` without empty and "." components, ".." taken back; the root is "". Throws Error:
// traversal if it climbs out, unsupported for a component over table::kMaxNameBytes, limit for the
// whole.
std::string normalise(std::string_view path);

class Recorder : public tar::Visitor {
 public:
  // `scratch` is the folder in which files are begun: the table's, and a side file should one be
  // needed.
  explicit Recorder(std::string scratch, std::size_t max_entries = kMaxEntries)
      : scratch_(std::move(scratch)),
        builder_(table::Order::tar, scratch_),
        max_entries_(max_entries) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void member(tar::Header&& header) override;
  void body(Bytes bytes) override;
  void end_member() override;

  // A stream may end within the padding of its last file. No block device can show a cut-off
  // block, so that file is copied from the tar into the side file.
  void rescue_tail(int tar_fd, std::uint64_t stream_bytes);
  // The finished table (tar order) of the stream of `stream_bytes` bytes.
  table::Table finish(const digest::DiffId& diff_id, std::uint64_t stream_bytes);
  bool has_side() const { return side_size_ > 0; }
  sys::TemporaryFile& side() { return side_; }

 private:
  void add(tar::Header& header);
  bool add_marker(const tar::Header& header, const std::string& path);
  std::uint64_t reserve_side(std::uint64_t bytes);
  void pad_side();
  void begin_sparse(tar::Header& header);
  void sparse_body(Bytes bytes);
  void end_sparse();

  std::string scratch_;
  table::TableBuilder builder_;
  std::size_t max_entries_;
  std::uint64_t content_bytes_ = 0;
  digest::Xxh3 hash_;
  table::Entry* file_ = nullptr;          // the record whose body is streaming by
  std::optional<std::size_t> last_file_;  // index of the last file with contents in the tar
  sys::TemporaryFile side_;
  std::uint64_t side_size_ = 0;
  std::vector<tar::Extent> extents_;
  std::size_t extent_ = 0;
  std::uint64_t extent_done_ = 0;
  std::uint64_t hashed_ = 0;  // bytes of the expanded sparse file
  bool sparse_ = false;
};

}  // namespace fastlayers::layer
