#include "tar/member.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "tar/text.hpp"

namespace fastlayers::tar {

namespace {

constexpr char kOldFile = '\0';
constexpr char kContiguous = '7';
constexpr char kGnuSparse = 'S';

// 1 EiB. No archive is so long: refused at once, not when its end is missed.
constexpr std::uint64_t kLargestBody = std::uint64_t{1} << 60;
constexpr std::uint32_t kModeMask = 07777;
constexpr std::uint64_t kLargestId = 0xfffffffe;  // (uid_t)-1 means "no change" to chown(2)

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::corrupt, what); }

std::int64_t require_number(Block block, Field field, const char* what) {
  const std::optional<std::int64_t> number = block.number(field);
  if (!number) fail(std::string("the ") + what + " field is malformed");
  return *number;
}

// A uid or gid from its PAX record or, without one, its field.
std::uint32_t id_number(const std::uint64_t* record, Block block, Field field, const char* what) {
  std::uint64_t id = 0;
  if (record != nullptr) {
    id = *record;
  } else {
    const std::int64_t number = require_number(block, field, what);
    if (number < 0) fail(std::string("the ") + what + " is negative");
    id = static_cast<std::uint64_t>(number);
  }
  if (id > kLargestId) {
    throw Error(ErrorKind::unsupported, std::string("the ") + what + " " + std::to_string(id) +
                                            " is larger than Linux has");
  }
  return static_cast<std::uint32_t>(id);
}

std::uint32_t device_number(Block block, Field field) {
  const std::int64_t number = require_number(block, field, "device number");
  if (number < 0 || number > std::numeric_limits<std::uint32_t>::max()) {
    fail("the device number is out of range");
  }
  return static_cast<std::uint32_t>(number);
}

bool is_regular(char type) {
  return type == kFile || type == kOldFile || type == kContiguous || type == kGnuSparse;
}

}  // namespace

std::uint64_t body_size(Block block, const std::uint64_t* record, std::uint64_t end) {
  std::uint64_t size = 0;
  if (record != nullptr) {
    size = *record;
  } else {
    const std::int64_t number = require_number(block, kSizeField, "size");
    if (number < 0) fail("the size is negative");
    size = static_cast<std::uint64_t>(number);
  }
  if (size > kLargestBody || size > kLargestOffset - end - kBlockBytes) {
    fail("the size " + std::to_string(size) + " is larger than any archive");
  }
  return size;
}

void MemberParser::extension(char type, Bytes body) {
  const std::string_view text = as_text(body).substr(0, as_text(body).find('\0'));
  switch (type) {
    case kGnuLongName:
      long_name_ = text;
      has_long_name_ = true;
      break;
    case kGnuLongLink:
      long_link_ = text;
      has_long_link_ = true;
      break;
    case kPaxGlobal:
      parse_pax(body, PaxScope::global, limits_, global_);
      break;
    default:
      local_.clear();
      has_pax_ = true;
      parse_pax(body, PaxScope::member, limits_, local_);
      break;
  }
}

MemberParser::Next MemberParser::begin(Block block, std::uint64_t end) {
  read_names(block);
  named_ = true;
  const char type = block[kTypeOffset];
  if (!is_regular(type) && (type < kHardlink || type > kFifo)) {
    throw Error(ErrorKind::unsupported,
                "members of type " + printable({&type, 1}) + " are not supported");
  }
  read_attributes(block);
  stored_ = body_size(block, record(&PaxRecords::size), end);
  header_.sparse = false;
  header_.extents.clear();
  if (is_regular(type)) return begin_file(block);
  // These have no body, whatever their size field says: for links it often is the target's.
  stored_ = 0;
  header_.type = type;
  header_.size = 0;
  return Next::complete;
}

void MemberParser::read_names(Block block) {
  if (const std::string* path = record(&PaxRecords::path)) {
    header_.path = *path;
  } else if (has_long_name_) {
    header_.path.swap(long_name_);
  } else {
    const std::string_view prefix = block.prefix();
    header_.path.assign(prefix);
    if (!prefix.empty()) header_.path += '/';
    header_.path += block.text(kNameField);
  }
  const char type = block[kTypeOffset];
  if (type != kHardlink && type != kSymlink) {
    header_.link_target.clear();
  } else if (const std::string* target = record(&PaxRecords::link_target)) {
    header_.link_target = *target;
  } else if (has_long_link_) {
    header_.link_target.swap(long_link_);
  } else {
    header_.link_target.assign(block.text(kLinkField));
  }
}

void MemberParser::read_attributes(Block block) {
  header_.mode = static_cast<std::uint32_t>(require_number(block, kModeField, "mode")) & kModeMask;
  header_.uid = id_number(record(&PaxRecords::uid), block, kUidField, "uid");
  header_.gid = id_number(record(&PaxRecords::gid), block, kGidField, "gid");
  if (const Timestamp* mtime = record(&PaxRecords::mtime)) {
    header_.mtime_sec = mtime->sec;
    header_.mtime_nsec = mtime->nsec;
  } else {
    header_.mtime_sec = require_number(block, kMtimeField, "mtime");
    header_.mtime_nsec = 0;
  }
  const char type = block[kTypeOffset];
  const bool device = type == kChar || type == kBlock;
  header_.dev_major = device ? device_number(block, kDevMajorField) : 0;
  header_.dev_minor = device ? device_number(block, kDevMinorField) : 0;
  merge_xattrs(global_.xattrs, local_.xattrs, header_.xattrs);
}

MemberParser::Next MemberParser::begin_file(Block block) {
  header_.type = kFile;
  header_.size = stored_;
  if (block[kTypeOffset] == kGnuSparse) return begin_gnu_sparse(block);
  return has_pax_sparse() ? begin_pax_sparse() : end_file();
}

MemberParser::Next MemberParser::begin_gnu_sparse(Block block) {
  if (!block.has_gnu_magic() || has_pax_sparse()) {
    fail("an old GNU sparse member that is not in GNU format");
  }
  header_.sparse = true;
  const std::int64_t size = require_number(block, kSparseSizeField, "sparse size");
  if (size < 0) fail("the size of the expanded file is negative");
  header_.size = static_cast<std::uint64_t>(size);
  append_old_gnu(block, kSparseEntries, limits_, header_.extents);
  return block[kSparseMoreOffset] == '\0' ? end_sparse() : Next::sparse_more;
}

bool MemberParser::has_pax_sparse() const {
  return has_pax_ && (local_.sparse_major.get() != nullptr ||
                      local_.sparse_minor.get() != nullptr || local_.sparse_size.get() != nullptr ||
                      local_.sparse_map.get() != nullptr || !local_.sparse_extents.empty());
}

MemberParser::Next MemberParser::begin_pax_sparse() {
  const std::uint64_t* size = local_.sparse_size.get();
  if (size == nullptr) fail("a sparse member does not say how large the file is");
  if (*size > kLargestOffset) fail("the size of the expanded file is larger than any file");
  header_.sparse = true;
  header_.size = *size;
  if (const std::string* name = local_.sparse_name.get()) header_.path = *name;

  // The formats 0.0 and 0.1 are recognised by their records: most writers do not number them.
  const std::string* list = local_.sparse_map.get();
  const std::string* major = local_.sparse_major.get();
  const std::string* minor = local_.sparse_minor.get();
  const std::string version =
      (major != nullptr ? *major : "0") + "." + (minor != nullptr ? *minor : "0");
  if (version == "1.0") {
    if (stored_ < kBlockBytes) fail("a sparse member has no map");
    sparse_lines_.start();
    return Next::sparse_map;
  }
  if (version != "0.0" && version != "0.1") {
    throw Error(ErrorKind::unsupported,
                "sparse format " + printable(version) + " is not supported");
  }
  if (list != nullptr) {
    parse_sparse_list(*list, limits_, header_.extents);
  } else {
    header_.extents.swap(local_.sparse_extents);
  }
  return end_sparse();
}

MemberParser::Next MemberParser::more_sparse(Block block) {
  append_old_gnu(block, kSparseExtensionEntries, limits_, header_.extents);
  return block[kSparseExtensionMoreOffset] == '\0' ? end_sparse() : Next::sparse_more;
}

MemberParser::Next MemberParser::map_block(Block block) {
  stored_ -= kBlockBytes;
  if (sparse_lines_.add(block, header_.extents)) return end_sparse();
  if (stored_ < kBlockBytes) fail("the sparse map does not end inside the member");
  return Next::sparse_map;
}

MemberParser::Next MemberParser::end_sparse() {
  check_extents(header_.extents, header_.size, stored_);
  return end_file();
}

MemberParser::Next MemberParser::end_file() {
  if (header_.path.ends_with('/')) {
    // How v7 archives spell a directory. With a body, readers disagree on where the next
    // header is.
    if (header_.size != 0) fail("a regular file whose name ends in '/' has a body");
    header_.type = kDirectory;
    header_.sparse = false;
  }
  return Next::complete;
}

void MemberParser::done() {
  if (has_pax_) local_.clear();
  has_pax_ = has_long_name_ = has_long_link_ = false;
  named_ = false;
}

std::string MemberParser::describe() const {
  return named_ ? "tar member " + printable(header_.path) : "tar header";
}

}  // namespace fastlayers::tar
