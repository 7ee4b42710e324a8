#include "tar/writer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "tar/block.hpp"
#include "tar/text.hpp"

namespace fastlayers::tar {

namespace {

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr std::string_view kPaxName = "PaxHeaders/member";
constexpr char kPaxMember = 'x';
constexpr std::string_view kUstarMagic("ustar\00000", 8);
constexpr std::uint32_t kModeMask = 07777;
constexpr std::uint32_t kPaxMode = 0644;
constexpr std::uint32_t kNanosecondsPerSecond = 1'000'000'000;

using Records = std::vector<std::pair<std::string, std::string>>;

[[noreturn]] void refuse(ErrorKind kind, const Header& header, const std::string& what) {
  throw Error(kind, "tar member " + printable(header.path) + ": " + what);
}

constexpr std::uint64_t largest_octal(Field field) {
  return (std::uint64_t{1} << 3 * (field.length - 1)) - 1;
}

// A header block that is being filled in.
class BlockWriter {
 public:
  BlockWriter() {
    block_.fill(std::byte{0});
    put(kMagicField, kUstarMagic);
  }

  void put(Field field, std::string_view text) {
    const Bytes bytes = as_bytes(text);
    std::copy(bytes.begin(), bytes.end(),
              block_.begin() + static_cast<std::ptrdiff_t>(field.offset));
  }
  void put_type(char type) { block_[kTypeOffset] = static_cast<std::byte>(type); }

  // Zero-padded octal and a NUL; 0 when the number does not fit, for then a record says it.
  void put_number(Field field, std::uint64_t number) {
    if (number > largest_octal(field)) number = 0;
    for (std::size_t i = field.length - 1; i-- > 0; number >>= 3) {
      block_[field.offset + i] = static_cast<std::byte>('0' + (number & 7));
    }
  }

  Bytes finish() {
    // Six digits, NUL, blank: how every writer spells the checksum.
    put_number({kChecksumField.offset, kChecksumField.length - 1}, checksum(block_.data()));
    block_[kChecksumField.offset + 7] = std::byte{' '};
    return block_;
  }

 private:
  std::array<std::byte, kBlockBytes> block_;
};

// Where to cut a path so that prefix and name fit; 0: no prefix needed; npos: it cannot be cut.
std::size_t split(std::string_view path) {
  if (path.size() <= kNameField.length) return 0;
  // The shortest prefix that will do leaves the name as long as possible.
  const std::size_t first = path.size() - kNameField.length - 1;
  const std::size_t cut = path.find('/', first);
  const bool fits = cut != 0 && cut <= kPrefixField.length && cut + 1 < path.size();
  return cut != std::string_view::npos && fits ? cut : std::string_view::npos;
}

std::string path_of(const Header& header) {
  std::string path = header.path;
  if (header.type == kDirectory && !path.ends_with('/')) path += '/';
  return path;
}

std::string timestamp(std::int64_t sec, std::uint32_t nsec) {
  std::string text;
  if (sec < 0 && nsec > 0) {
    // Counted forward from the second before: -2 s and 0.5e9 ns is -1.5.
    sec = -(sec + 1);
    nsec = kNanosecondsPerSecond - nsec;
    text = "-";
  }
  text += std::to_string(sec);
  if (nsec == 0) return text;
  const std::string digits = std::to_string(kNanosecondsPerSecond + nsec).substr(1);
  return text + "." + digits.substr(0, digits.find_last_not_of('0') + 1);
}

bool mtime_fits(const Header& header) {
  return header.mtime_nsec == 0 && header.mtime_sec >= 0 &&
         static_cast<std::uint64_t>(header.mtime_sec) <= largest_octal(kMtimeField);
}

void check(const Header& header) {
  if (header.type < kFile || header.type > kFifo) {
    refuse(ErrorKind::invalid, header, "cannot write type " + printable({&header.type, 1}));
  }
  if (header.path.empty()) refuse(ErrorKind::invalid, header, "it has no name");
  if (header.type == kFile && header.path.ends_with('/')) {
    refuse(ErrorKind::invalid, header, "the name of a file cannot end in '/'");
  }
  if (header.path.find('\0') != std::string::npos ||
      header.link_target.find('\0') != std::string::npos) {
    refuse(ErrorKind::invalid, header, "there is a NUL in a name");
  }
  if (header.mtime_nsec >= kNanosecondsPerSecond) {
    refuse(ErrorKind::invalid, header, "its mtime has too many nanoseconds");
  }
  for (const auto& [name, value] : header.xattrs) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      refuse(ErrorKind::invalid, header,
             "PAX has no spelling for the extended attribute " + printable(name));
    }
  }
  if (header.dev_major > largest_octal(kDevMajorField) ||
      header.dev_minor > largest_octal(kDevMinorField)) {
    refuse(ErrorKind::unsupported, header, "its device number does not fit");
  }
}

// What does not fit the ustar header, sorted by key.
Records records_of(const Header& header, std::string_view path, std::string_view target) {
  Records records;
  for (const auto& [name, value] : header.xattrs) {
    records.emplace_back(std::string(kXattrPrefix) + name, value);
  }
  const bool long_path = split(path) == std::string_view::npos;
  const bool long_target = target.size() > kLinkField.length;
  if (long_path) records.emplace_back("path", path);
  if (long_target) records.emplace_back("linkpath", target);
  if ((long_path && !is_utf8(path)) || (long_target && !is_utf8(target))) {
    records.emplace_back("hdrcharset", "BINARY");
  }
  if (header.type == kFile && header.size > largest_octal(kSizeField)) {
    records.emplace_back("size", std::to_string(header.size));
  }
  if (header.uid > largest_octal(kUidField)) {
    records.emplace_back("uid", std::to_string(header.uid));
  }
  if (header.gid > largest_octal(kGidField)) {
    records.emplace_back("gid", std::to_string(header.gid));
  }
  if (!mtime_fits(header)) {
    records.emplace_back("mtime", timestamp(header.mtime_sec, header.mtime_nsec));
  }
  std::sort(records.begin(), records.end());
  return records;
}

// "<length> <key>=<value>\n", where the length counts its own digits.
std::string encode(const Records& records) {
  std::string body;
  for (const auto& [key, value] : records) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + std::to_string(rest).size();
    length = rest + std::to_string(length).size();
    body += std::to_string(length) + ' ' + key + '=' + value + '\n';
  }
  return body;
}

Bytes zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 2 * kBlockBytes> kZeros{};
  return Bytes(kZeros).first(static_cast<std::size_t>(count));
}

Bytes encode_pax_header(BlockWriter& block, std::size_t body_bytes) {
  block.put(kNameField, kPaxName);
  block.put_number(kModeField, kPaxMode);
  block.put_number(kUidField, 0);
  block.put_number(kGidField, 0);
  block.put_number(kSizeField, body_bytes);
  block.put_number(kMtimeField, 0);
  block.put_type(kPaxMember);
  return block.finish();
}

Bytes encode_header(BlockWriter& block, const Header& header, std::string_view path,
                    std::string_view target) {
  const std::size_t cut = split(path);
  if (cut == std::string_view::npos) {
    block.put(kNameField, path.substr(0, kNameField.length));
  } else if (cut == 0) {
    block.put(kNameField, path);
  } else {
    block.put(kPrefixField, path.substr(0, cut));
    block.put(kNameField, path.substr(cut + 1));
  }
  block.put(kLinkField, target.substr(0, kLinkField.length));
  block.put_number(kModeField, header.mode & kModeMask);
  block.put_number(kUidField, header.uid);
  block.put_number(kGidField, header.gid);
  block.put_number(kSizeField, header.type == kFile ? header.size : 0);
  block.put_number(kMtimeField, header.mtime_sec < 0 ? 0 : std::uint64_t(header.mtime_sec));
  if (header.type == kChar || header.type == kBlock) {
    block.put_number(kDevMajorField, header.dev_major);
    block.put_number(kDevMinorField, header.dev_minor);
  }
  block.put_type(header.type);
  return block.finish();
}

}  // namespace

void Writer::member(const Header& header) {
  if (body_left_ != 0 || offset_ % kBlockBytes != 0) {
    throw Error(ErrorKind::invalid, "tar: a member begins before the one in front of it has ended");
  }
  check(header);
  const bool link = header.type == kHardlink || header.type == kSymlink;
  const std::string path = path_of(header);
  const std::string_view target = link ? std::string_view(header.link_target) : std::string_view();
  const Records records = records_of(header, path, target);
  if (!records.empty()) {
    const std::string body = encode(records);
    BlockWriter block;
    write(encode_pax_header(block, body.size()));
    write(as_bytes(body));
    write(zeros(padding(body.size())));
  }
  BlockWriter block;
  write(encode_header(block, header, path, target));
  body_left_ = header.type == kFile ? header.size : 0;
}

void Writer::body(Bytes bytes) {
  if (bytes.size() > body_left_) {
    throw Error(ErrorKind::invalid, "tar: " + std::to_string(bytes.size() - body_left_) +
                                        " bytes more than the header of the member says");
  }
  write(bytes);
  body_left_ -= bytes.size();
}

void Writer::end_member() {
  if (body_left_ != 0) {
    throw Error(ErrorKind::invalid, "tar: " + std::to_string(body_left_) +
                                        " bytes less than the header of the member says");
  }
  write(zeros(padding(offset_)));
}

void Writer::finish() {
  if (body_left_ != 0 || offset_ % kBlockBytes != 0) {
    throw Error(ErrorKind::invalid, "tar: the archive ends inside a member");
  }
  write(zeros(2 * kBlockBytes));
}

void Writer::write(Bytes bytes) {
  if (bytes.empty()) return;
  out_.write(bytes);
  offset_ += bytes.size();
}

}  // namespace fastlayers::tar
