#include "tar/block.hpp"

#include <bit>
#include <cstring>

namespace fastlayers::tar {

namespace {

constexpr std::uint32_t kBlankChecksumField = 8 * ' ';

std::uint64_t load_word(const char* data) {
  std::uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

bool is_blank(char c) { return c == ' ' || c == '\0'; }

std::optional<std::int64_t> octal(std::string_view field) {
  std::size_t at = 0;
  while (at < field.size() && is_blank(field[at])) ++at;
  std::int64_t value = 0;  // at most 12 digits of 3 bits
  while (at < field.size() && field[at] >= '0' && field[at] <= '7') {
    value = value << 3 | (field[at++] - '0');
  }
  while (at < field.size() && field[at] == ' ') ++at;
  // Behind a NUL anything may stand: it is not part of the field's text.
  if (at < field.size() && field[at] != '\0') return std::nullopt;
  return value;
}

// Big-endian two's complement behind a marker byte: 0x80 for positive, 0xff for negative.
std::optional<std::int64_t> base256(std::string_view field) {
  const auto marker = static_cast<std::uint8_t>(field[0]);
  if (marker != 0x80 && marker != 0xff) return std::nullopt;
  const std::uint8_t sign = marker == 0xff ? 0xff : 0;
  field.remove_prefix(1);
  for (; field.size() > 8; field.remove_prefix(1)) {
    if (static_cast<std::uint8_t>(field[0]) != sign) return std::nullopt;
  }
  std::uint64_t value = sign != 0 ? ~std::uint64_t{0} : 0;
  for (const char c : field) value = value << 8 | static_cast<std::uint8_t>(c);
  const auto result = static_cast<std::int64_t>(value);
  if ((result < 0) != (sign != 0)) return std::nullopt;
  return result;
}

// The sum of all 512 bytes: four 16-bit lanes take two bytes of each of the 64 words, which
// cannot overflow them.
std::uint32_t sum_bytes(const char* data) {
  constexpr std::uint64_t kEvenBytes = 0x00ff00ff00ff00ff;
  std::uint64_t lanes = 0;
  for (std::size_t at = 0; at < kBlockBytes; at += 8) {
    const std::uint64_t word = load_word(data + at);
    lanes += (word & kEvenBytes) + (word >> 8 & kEvenBytes);
  }
  std::uint32_t sum = 0;
  for (; lanes != 0; lanes >>= 16) sum += lanes & 0xffff;
  return sum;
}

// How many bytes of the block have their top bit set.
std::uint32_t count_negative(const char* data) {
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < kBlockBytes; at += 8) {
    count += std::popcount(load_word(data + at) & 0x8080808080808080);
  }
  return count;
}

}  // namespace

std::uint32_t checksum(const std::byte* block) {
  const auto* data = reinterpret_cast<const char*>(block);
  std::uint32_t sum = sum_bytes(data) + kBlankChecksumField;
  for (std::size_t i = 0; i < kChecksumField.length; ++i) {
    sum -= static_cast<std::uint8_t>(data[kChecksumField.offset + i]);
  }
  return sum;
}

std::string_view Block::text(Field field) const {
  const char* start = data_ + field.offset;
  return {start, strnlen(start, field.length)};
}

std::optional<std::int64_t> Block::number(Field field) const {
  const std::string_view raw = bytes(field);
  return (raw[0] & 0x80) != 0 ? base256(raw) : octal(raw);
}

bool Block::is_zero() const {
  // Nearly every header begins with a name.
  if (data_[0] != 0) return false;
  return std::memcmp(data_, data_ + 1, kBlockBytes - 1) == 0;
}

bool Block::checksum_matches() const {
  const std::optional<std::int64_t> stored = octal(bytes(kChecksumField));
  if (!stored) return false;
  const std::uint32_t sum = checksum(reinterpret_cast<const std::byte*>(data_));
  if (*stored == sum) return true;
  // A checksum field that parsed as octal digits has no byte above 127 of its own.
  const std::uint32_t negative = count_negative(data_);
  return negative != 0 && *stored == std::int64_t{sum} - 256 * std::int64_t{negative};
}

std::string_view Block::prefix() const {
  if (!has_ustar_magic()) return {};
  const bool star = bytes(kStarMagicField) == std::string_view("tar", 4);
  return text(star ? kStarPrefixField : kPrefixField);
}

}  // namespace fastlayers::tar
