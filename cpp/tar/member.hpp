// MemberParser: turns header blocks, with the extension headers in front of them, into a
// Header. The Reader cuts the stream into blocks and bodies; what they mean is decided here.
// Throws Error without saying where: the Reader knows the offset, and adds describe().
#pragma once

#include <cstdint>
#include <string>

#include "base/io.hpp"
#include "tar/block.hpp"
#include "tar/header.hpp"
#include "tar/pax.hpp"
#include "tar/reader.hpp"
#include "tar/sparse.hpp"

namespace fastlayers::tar {

// Typeflags of headers that describe another member.
inline constexpr char kGnuLongName = 'L';
inline constexpr char kGnuLongLink = 'K';
inline constexpr char kPaxMember = 'x';
inline constexpr char kPaxGlobal = 'g';

inline constexpr std::uint64_t kLargestOffset = INT64_MAX;

// The size field of a block at `end` - 512, or `record` in its place. Throws Error(corrupt) when
// no file could hold so much.
std::uint64_t body_size(Block block, const std::uint64_t* record, std::uint64_t end);

class MemberParser {
 public:
  enum class Next {
    complete,     // header() and stored() are final
    sparse_more,  // more_sparse() wants the next block: an old GNU sparse map goes on
    sparse_map,   // map_block() wants the next block: the map in front of a PAX 1.0 sparse body
  };

  explicit MemberParser(const Limits& limits) : limits_(limits), sparse_lines_(limits) {}

  // The body of an extension header of one of the types above.
  void extension(char type, Bytes body);
  bool extension_pending() const { return has_pax_ || has_long_name_ || has_long_link_; }

  // `end` is the offset behind the block.
  Next begin(Block block, std::uint64_t end);
  Next more_sparse(Block block);
  Next map_block(Block block);
  // The header has been delivered: its extension headers are used up.
  void done();

  Header& header() { return header_; }
  std::uint64_t stored() const { return stored_; }  // bytes of the body still to come
  std::string describe() const;                     // of the current block, for messages

 private:
  template <class T>
  const T* record(Record<T> PaxRecords::*which) const {
    return (local_.*which).over(global_.*which);
  }
  void read_names(Block block);
  void read_attributes(Block block);
  Next begin_file(Block block);
  Next begin_gnu_sparse(Block block);
  Next begin_pax_sparse();
  bool has_pax_sparse() const;
  Next end_sparse();
  Next end_file();

  const Limits limits_;
  PaxRecords global_;
  PaxRecords local_;
  std::string long_name_;
  std::string long_link_;
  bool has_pax_ = false;
  bool has_long_name_ = false;
  bool has_long_link_ = false;

  Header header_;  // reused, so that its strings keep their storage
  std::uint64_t stored_ = 0;
  bool named_ = false;
  SparseLines sparse_lines_;
};

}  // namespace fastlayers::tar
