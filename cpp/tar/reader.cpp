#include "tar/reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "tar/block.hpp"
#include "tar/member.hpp"

namespace fastlayers::tar {

namespace {

constexpr char kGnuVolume = 'V';

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::corrupt, what); }

}  // namespace

// Cuts the stream into blocks and bodies.
struct Reader::Impl {
  enum class State {
    header,       // the next block is a header
    sparse_more,  // the next block continues an old GNU sparse map
    sparse_map,   // the next block belongs to the map in front of a PAX 1.0 sparse body
    extension,    // inside the body of a PAX or GNU extension header
    body,
    skip,  // inside padding, or a body that is of no interest
    ended,
  };

  Impl(Visitor& to, const Limits& with) : visitor(to), limits(with), member(with) {}

  void feed(Bytes bytes);
  void finish() const;
  std::size_t take(Bytes bytes);
  std::size_t take_block(Bytes bytes);
  std::size_t take_extension(Bytes bytes);
  std::size_t take_body(Bytes bytes);
  std::size_t advance(Bytes bytes);

  void on_block(const std::byte* data);
  void on_header(Block block);
  void on_zero_block();
  void start_extension(Block block);
  void end_extension();
  void await(MemberParser::Next next);
  void deliver();
  void skip(std::uint64_t bytes);
  const char* cut_where() const;

  Visitor& visitor;
  const Limits limits;
  MemberParser member;
  State state = State::header;
  bool complete = false;  // a member is parsed and not yet delivered
  bool zero_block_seen = false;
  bool in_last_padding = false;      // behind a body that is whole: the stream may end here
  std::uint64_t position = 0;        // of the next byte of the stream
  std::uint64_t header_offset = 0;   // of the last header
  std::uint64_t left = 0;            // bytes of the body, extension or skip still to come
  std::uint64_t padding_behind = 0;  // of the body or extension
  std::array<std::byte, kBlockBytes> partial{};  // a block that arrives in pieces
  std::size_t partial_bytes = 0;
  char extension_type = 0;
  std::string extension;
};

void Reader::Impl::feed(Bytes bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(take(bytes));
}

// Handles some bytes from the front and returns how many.
std::size_t Reader::Impl::take(Bytes bytes) {
  switch (state) {
    case State::extension:
      return take_extension(bytes);
    case State::body:
      return take_body(bytes);
    case State::skip: {
      const std::size_t count = advance(bytes);
      if (left == 0) state = State::header;
      return count;
    }
    case State::ended:
      position += bytes.size();
      return bytes.size();
    default:
      return take_block(bytes);
  }
}

std::size_t Reader::Impl::take_block(Bytes bytes) {
  if (partial_bytes == 0 && bytes.size() >= kBlockBytes) {
    position += kBlockBytes;
    on_block(bytes.data());
    return kBlockBytes;
  }
  const std::size_t count = std::min(bytes.size(), kBlockBytes - partial_bytes);
  std::memcpy(partial.data() + partial_bytes, bytes.data(), count);
  partial_bytes += count;
  position += count;
  if (partial_bytes == kBlockBytes) {
    partial_bytes = 0;
    on_block(partial.data());
  }
  return count;
}

std::size_t Reader::Impl::advance(Bytes bytes) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
  position += count;
  left -= count;
  return count;
}

std::size_t Reader::Impl::take_extension(Bytes bytes) {
  const std::size_t count = advance(bytes);
  extension.append(as_text(bytes.first(count)));
  if (left == 0) end_extension();
  return count;
}

std::size_t Reader::Impl::take_body(Bytes bytes) {
  const std::size_t count = advance(bytes);
  visitor.body(bytes.first(count));
  if (left == 0) {
    skip(padding_behind);
    in_last_padding = state == State::skip;
    visitor.end_member();
  }
  return count;
}

void Reader::Impl::on_block(const std::byte* data) {
  const Block block(data);
  try {
    if (state == State::sparse_more) {
      await(member.more_sparse(block));
    } else if (state == State::sparse_map) {
      await(member.map_block(block));
    } else {
      on_header(block);
    }
  } catch (Error& error) {
    error.add_context(member.describe() + " at byte " + std::to_string(header_offset));
    throw;
  }
  // Outside the try: what the visitor throws is its own.
  if (complete) deliver();
}

void Reader::Impl::on_header(Block block) {
  header_offset = position - kBlockBytes;
  if (block.is_zero()) return on_zero_block();
  if (zero_block_seen) fail("more data behind a single zero block; two of them end an archive");
  if (!block.checksum_matches()) {
    fail(header_offset == 0 ? "the checksum is wrong: this is not a tar archive"
                            : "the checksum is wrong");
  }
  switch (block[kTypeOffset]) {
    case kPaxMember:
    case kPaxGlobal:
    case kGnuLongName:
    case kGnuLongLink:
      return start_extension(block);
    case kGnuVolume: {
      const std::uint64_t size = body_size(block, nullptr, position);
      return skip(size + padding(size));
    }
    default:
      return await(member.begin(block, position));
  }
}

void Reader::Impl::on_zero_block() {
  if (member.extension_pending()) fail("an extension header has no member");
  if (zero_block_seen) state = State::ended;
  zero_block_seen = true;
}

void Reader::Impl::start_extension(Block block) {
  // The size is the header's own: a PAX record never applies to another extension header.
  left = body_size(block, nullptr, position);
  if (left > limits.extension_bytes) {
    fail("an extension header of " + std::to_string(left) + " bytes; at most " +
         std::to_string(limits.extension_bytes) + " are accepted");
  }
  padding_behind = padding(left);
  extension_type = block[kTypeOffset];
  extension.clear();
  state = State::extension;
  if (left == 0) end_extension();
}

void Reader::Impl::end_extension() {
  try {
    member.extension(extension_type, as_bytes(extension));
  } catch (Error& error) {
    error.add_context("tar extension header at byte " + std::to_string(header_offset));
    throw;
  }
  skip(padding_behind);
}

void Reader::Impl::await(MemberParser::Next next) {
  complete = next == MemberParser::Next::complete;
  if (next == MemberParser::Next::sparse_more) state = State::sparse_more;
  if (next == MemberParser::Next::sparse_map) state = State::sparse_map;
}

void Reader::Impl::deliver() {
  complete = false;
  Header& header = member.header();
  left = header.data_size = member.stored();
  header.data_offset = position;
  padding_behind = padding(left);
  state = State::body;
  member.done();
  visitor.member(std::move(header));
  if (left == 0) {
    skip(padding_behind);
    in_last_padding = state == State::skip;
    visitor.end_member();
  }
}

void Reader::Impl::skip(std::uint64_t bytes) {
  left = bytes;
  in_last_padding = false;
  state = bytes == 0 ? State::header : State::skip;
}

// Where the stream is between two members: nullptr at a place where it may end.
const char* Reader::Impl::cut_where() const {
  switch (state) {
    case State::header:
      if (member.extension_pending()) return "a member, right behind its extension header";
      // Half a zero block is no more than an end-of-archive mark that is cut.
      return std::all_of(partial.begin(), partial.begin() + partial_bytes,
                         [](std::byte byte) { return byte == std::byte{0}; })
                 ? nullptr
                 : "a header";
    case State::sparse_more:
    case State::sparse_map:
      return "a sparse map";
    case State::extension:
      return "an extension header";
    case State::body:
      return "the contents of a member";
    case State::skip:
      return in_last_padding ? nullptr : "the padding of a member";
    case State::ended:
      break;
  }
  return nullptr;
}

void Reader::Impl::finish() const {
  const char* where = cut_where();
  if (where == nullptr) return;
  fail("the tar archive is cut: it ends at byte " + std::to_string(position) + ", inside " + where +
       " (header at byte " + std::to_string(header_offset) + ")");
}

Reader::Reader(Visitor& visitor, Limits limits) : impl_(std::make_unique<Impl>(visitor, limits)) {}

Reader::~Reader() = default;

void Reader::feed(Bytes bytes) { impl_->feed(bytes); }

void Reader::finish() { impl_->finish(); }

}  // namespace fastlayers::tar
