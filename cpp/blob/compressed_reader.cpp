#include "blob/compressed_reader.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "sys/file.hpp"

namespace fastlayers::blob {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kPieceBytes = 1024 * 1024;

struct Cancelled {};  // the reader is gone: the worker's way out

}  // namespace

// Gathers what the encoder writes into pieces, and hashes it.
class CompressedReader::Pieces : public Sink {
 public:
  explicit Pieces(CompressedReader& reader) : reader_(reader) {}

  void write(Bytes bytes) override {
    hash_.update(bytes);
    reader_.size_ += bytes.size();
    piece_.insert(piece_.end(), bytes.begin(), bytes.end());
    if (piece_.size() >= kPieceBytes) push();
  }
  void finish() {
    if (!piece_.empty()) push();
    reader_.digest_.hash = hash_.finish();
  }

 private:
  void push() {
    if (!reader_.pieces_.push(std::exchange(piece_, {}))) throw Cancelled{};
  }

  CompressedReader& reader_;
  digest::Sha256 hash_;
  std::vector<std::byte> piece_;
};

CompressedReader::CompressedReader(Plain plain, codec::Compression compression, int level,
                                   unsigned threads)
    : plain_(std::move(plain)) {
  worker_ = std::thread([=, this] {
    try {
      work(compression, level, threads);
    } catch (const Cancelled&) {
      return;
    } catch (...) {
      failure_ = std::current_exception();
    }
    pieces_.close();
  });
}

CompressedReader::~CompressedReader() {
  pieces_.cancel();
  worker_.join();
}

std::vector<std::byte> CompressedReader::read() {
  if (auto piece = pieces_.pop()) return std::move(*piece);
  if (failure_) std::rethrow_exception(failure_);
  return {};
}

void CompressedReader::work(codec::Compression compression, int level, unsigned threads) {
  Pieces pieces(*this);
  const auto encoder = codec::compress(compression, level, pieces, threads);
  digest::Sha256 hash;
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadBytes);
  for (std::uint64_t at = 0; at < plain_.size;) {
    const auto wanted = std::min<std::uint64_t>(kReadBytes, plain_.size - at);
    const std::size_t count =
        sys::read_at(plain_.file.get(), {buffer.get(), wanted}, plain_.offset + at);
    if (count == 0) break;  // cut short: the digest says so
    at += count;
    const Bytes bytes{buffer.get(), count};
    {
      const ProfileTimer timer(ProfilePart::hash_tar, count);
      hash.update(bytes);
    }
    const ProfileTimer timer(ProfilePart::compress, count);
    encoder->write(bytes);
  }
  if (hash.finish() != plain_.expected.hash) throw Error(ErrorKind::corrupt, plain_.damage);
  encoder->finish();
  pieces.finish();
}

}  // namespace fastlayers::blob
