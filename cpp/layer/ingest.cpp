#include "layer/ingest.hpp"

#include <charconv>
#include <cstdlib>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "base/queue.hpp"

namespace fastlayers::layer {

namespace {

// What three stages work on at the same time stays within the caches of two cores.
constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::size_t kQueueChunks = 4;
// Less of a blob than this is fetched again as quickly as it is found.
constexpr std::uint64_t kWorthKeeping = std::uint64_t{1} << 20;
constexpr std::uint64_t kBetweenBytes = 8 << 20;

struct Chunk {
  Bytes view() const { return {bytes, size}; }
  MutableBytes room() const { return {bytes + size, kChunkBytes - size}; }
  explicit operator bool() const { return bytes != nullptr; }

  std::byte* bytes = nullptr;  // the pool's
  std::size_t size = 0;
};

// Chunks go round: fresh memory would cost a page fault for every 4 KiB that streams by.
class ChunkPool {
 public:
  Chunk take() {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Chunk chunk = free_.back();
      free_.pop_back();
      return chunk;
    }
    if (used_ == kChunks) throw Error(ErrorKind::invalid, "the pipeline has lost its chunks");
    return {memory_.mutable_bytes().data() + kChunkBytes * used_++, 0};
  }
  void give(Chunk& chunk) {
    const std::lock_guard lock(mutex_);
    free_.push_back({chunk.bytes, 0});
    chunk = {};
  }

 private:
  // Two full queues, and what the three threads have in hand.
  static constexpr std::size_t kChunks = 2 * kQueueChunks + 4;

  std::mutex mutex_;
  sys::Mapping memory_ = sys::Mapping::anonymous(kChunks * kChunkBytes);
  std::size_t used_ = 0;
  std::vector<Chunk> free_;
};

using ChunkQueue = BoundedQueue<Chunk>;

// The blob as the decoder reads it.
class ChunkSource : public Source {
 public:
  ChunkSource(ChunkQueue& queue, ChunkPool& pool) : queue_(queue), pool_(pool) {}

  std::size_t read(MutableBytes buffer) override {
    if (at_ == chunk_.size && !next()) return 0;
    const std::size_t count = std::min(buffer.size(), chunk_.size - at_);
    std::memcpy(buffer.data(), chunk_.bytes + at_, count);
    at_ += count;
    return count;
  }

  // What a decoder leaves unread belongs to the blob all the same.
  void drain() {
    while (next()) {
    }
  }

 private:
  bool next() {
    if (chunk_) pool_.give(chunk_);
    at_ = 0;
    const auto chunk = queue_.pop();
    if (chunk) chunk_ = *chunk;
    return chunk.has_value();
  }

  ChunkQueue& queue_;
  ChunkPool& pool_;
  Chunk chunk_;
  std::size_t at_ = 0;
};

// What a layer may expand to: FASTLAYERS_MAX_LAYER_SIZE, bytes or with a letter (500m, 20g).
std::uint64_t max_layer_bytes() {
  const char* setting = std::getenv("FASTLAYERS_MAX_LAYER_SIZE");
  if (setting == nullptr || *setting == 0) return std::numeric_limits<std::uint64_t>::max();
  const std::string_view text(setting);
  std::uint64_t bytes = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const std::string_view unit = text.substr(static_cast<std::size_t>(read.ptr - text.data()));
  constexpr std::string_view kUnits = "kmgt";
  const std::size_t power = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
  const bool ok = read.ec == std::errc() && bytes > 0 && (unit.empty() || power < kUnits.size());
  const unsigned shift = unit.empty() ? 0 : 10 * static_cast<unsigned>(power + 1);
  if (!ok || bytes > std::numeric_limits<std::uint64_t>::max() >> shift) {
    throw Error(ErrorKind::invalid,
                "FASTLAYERS_MAX_LAYER_SIZE is no size: write bytes, or 500m, or 20g");
  }
  return bytes << shift;
}

void check_digest(const std::string& what, const std::string& expected, const std::string& got) {
  if (expected == got) return;
  throw Error(ErrorKind::digest_mismatch, what + " is " + got + ", not " + expected);
}

}  // namespace

struct Ingest::Pipeline {
  Pipeline(const std::string& root, const Expected& expect, bool partial)
      : expected(expect), store(root), recorder(store.blobs().directory()) {
    if (!partial || !expected.digest) return;
    if (auto writer = store.blobs().partial(expected.digest->hash)) {
      earlier_bytes = sys::file_size(writer->fd());
      named.emplace(std::move(*writer));
    }
  }

  ~Pipeline() {
    stop();
    if (std::max(received_bytes, earlier_bytes) < kWorthKeeping) discard();
  }

  // Nothing of what has arrived is to stay.
  void discard() {
    for (auto* writer : {&named, &blob, &tar}) {
      if (*writer) (*writer)->discard();
    }
  }

  void stop() {
    received.cancel();
    inflated.cancel();
    join();
  }

  void join() {
    if (inflater.joinable()) inflater.join();
    if (keeper.joinable()) keeper.join();
  }

  void guard(void (Pipeline::*work)()) {
    try {
      (this->*work)();
    } catch (...) {
      {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
      }
      received.cancel();
      inflated.cancel();
    }
  }

  // The first bytes tell what the blob is, and which stages it needs.
  void begin(Bytes first) {
    compression = codec::sniff(first);
    begun = true;
    std::optional<blob::BlobWriter>& kept = plain() ? tar : blob;
    if (named) kept.emplace(std::move(*named));
    named.reset();
    if (!tar) tar.emplace(store.blobs().writer());
    if (!blob) blob.emplace(store.blobs().writer());
    if (!plain()) inflater = std::thread([this] { guard(&Pipeline::inflate); });
    keeper = std::thread([this] { guard(&Pipeline::keep_tar); });
  }

  bool plain() const { return compression == codec::Compression::none; }

  void inflate() {
    ChunkSource blob_bytes(received, pool);
    const auto source = codec::decompress(compression, blob_bytes);
    for (;;) {
      ProfileTimer timer(ProfilePart::inflate);
      Chunk chunk = pool.take();
      while (chunk.size < kChunkBytes) {
        const std::size_t count = source->read(chunk.room());
        if (count == 0) break;
        chunk.size += count;
      }
      const bool last = chunk.size < kChunkBytes;
      timer.add_bytes(chunk.size);
      if (chunk.size > 0 && !inflated.push(chunk)) return;
      if (last) break;
    }
    inflated.close();
    blob_bytes.drain();
  }

  void keep_tar() {
    tar::Reader reader(recorder);
    digest::Sha256 hash;
    std::uint64_t tar_bytes = 0;
    while (auto chunk = inflated.pop()) {
      const Bytes bytes = chunk->view();
      tar_bytes += bytes.size();
      if (tar_bytes > max_bytes) {
        throw Error(ErrorKind::limit, "it expands to more than " + std::to_string(max_bytes) +
                                          " bytes, the bound of FASTLAYERS_MAX_LAYER_SIZE");
      }
      {
        const ProfileTimer timer(ProfilePart::hash_tar, bytes.size());
        hash.update(bytes);
      }
      if (!plain()) keep(bytes);
      const ProfileTimer timer(ProfilePart::record, bytes.size());
      reader.feed(bytes);
      pool.give(*chunk);
    }
    if (inflated.cancelled()) return;
    reader.finish();
    diff_id = digest::DiffId{hash.finish()};
  }

  // Long runs of zeros (a sparse file that was committed) become holes.
  void keep(Bytes bytes) {
    const bool zeros = bytes.size() == kChunkBytes && bytes[0] == std::byte{0} &&
                       std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
    if (zeros) {
      tar->skip_zeros(bytes.size());
    } else {
      tar->write(bytes);
    }
  }

  // The blob as it came, but for what is there from an earlier try.
  void keep_blob(Bytes bytes, std::uint64_t position) {
    blob::BlobWriter& out = plain() ? *tar : *blob;
    const std::uint64_t known = position < resumed_bytes ? resumed_bytes - position : 0;
    const std::size_t skip = std::min<std::uint64_t>(known, bytes.size());
    out.skip_written(skip);
    const Bytes rest = bytes.subspan(skip);
    if (rest.empty()) return;
    plain() ? keep(rest) : out.write(rest);
  }

  void rethrow() {
    const std::lock_guard lock(failure_mutex);
    if (failure) std::rethrow_exception(failure);
  }

  void push_current() {
    if (current.size == 0) return;
    const std::uint64_t position = received_bytes;
    received_bytes += current.size;
    if (expected.size && received_bytes > *expected.size) {
      throw Error(ErrorKind::digest_mismatch,
                  "it is longer than the " + std::to_string(*expected.size) + " bytes announced");
    }
    const Bytes bytes = current.view();
    if (!begun) begin(bytes);
    // A plain tar is its own blob: nothing to decode, hash or keep twice.
    if (!plain()) {
      const ProfileTimer timer(ProfilePart::hash_blob, bytes.size());
      blob_hash.update(bytes);
    }
    keep_blob(bytes, position);
    if (!(plain() ? inflated : received).push(current)) rethrow();
    current = {};
  }

  void end() {
    push_current();
    if (!begun) begin({});  // a layer of no bytes at all: an empty tar
    (plain() ? inflated : received).close();
    join();
    rethrow();
    blob_digest.hash = plain() ? diff_id.hash : blob_hash.finish();
  }

  void verify() const {
    if (expected.size && received_bytes != *expected.size) {
      throw Error(ErrorKind::digest_mismatch, "it has " + std::to_string(received_bytes) +
                                                  " bytes, not the " +
                                                  std::to_string(*expected.size) + " announced");
    }
    if (expected.digest) {
      check_digest("its digest", expected.digest->str(), blob_digest.str());
    }
    if (expected.diff_id) {
      check_digest("its diff_id", expected.diff_id->str(), diff_id.str());
    }
  }

  const Expected expected;
  const std::uint64_t max_bytes = max_layer_bytes();
  LayerStore store;
  ChunkPool pool;
  ChunkQueue received{kQueueChunks};
  ChunkQueue inflated{kQueueChunks};
  std::optional<blob::BlobWriter> named;  // until it is known whether the blob is the tar
  std::optional<blob::BlobWriter> blob;
  std::optional<blob::BlobWriter> tar;
  Recorder recorder;
  Chunk current;
  std::uint64_t received_bytes = 0;
  std::uint64_t earlier_bytes = 0;  // that an earlier try has left
  std::uint64_t resumed_bytes = 0;  // of those that were received
  codec::Compression compression = codec::Compression::none;
  bool begun = false;
  digest::Sha256 blob_hash;
  digest::Digest blob_digest;
  digest::DiffId diff_id;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::thread inflater;
  std::thread keeper;
};

namespace {

// Whether an error says that the bytes are not what they should be.
bool is_of_content(ErrorKind kind) {
  return kind == ErrorKind::corrupt || kind == ErrorKind::digest_mismatch ||
         kind == ErrorKind::traversal || kind == ErrorKind::limit || kind == ErrorKind::unsupported;
}

// Runs `work`, naming the layer in whatever it throws.
template <class Pipeline, class Work>
auto for_layer(Pipeline& pipeline, Work work) {
  const Expected& expected = pipeline.expected;
  try {
    return work();
  } catch (Error& error) {
    if (is_of_content(error.kind())) pipeline.discard();
    std::string name = "layer";
    if (expected.digest) {
      name += " " + expected.digest->str();
    } else if (expected.diff_id) {
      name += " " + expected.diff_id->str();
    }
    error.add_context(name);
    throw;
  }
}

}  // namespace

Ingest::Ingest(const std::string& root, const Expected& expected, bool partial)
    : pipeline_(std::make_unique<Pipeline>(root, expected, partial)) {}

Ingest::~Ingest() = default;

MutableBytes Ingest::space() {
  if (!pipeline_) throw Error(ErrorKind::invalid, "the layer is finished or was given up");
  Chunk& current = pipeline_->current;
  if (!current) current = pipeline_->pool.take();
  return current.room();
}

void Ingest::advance(std::size_t count) {
  Pipeline& p = *pipeline_;
  p.current.size += count;
  if (p.current.size == kChunkBytes) {
    for_layer(p, [&] { p.push_current(); });
  }
}

std::uint64_t Ingest::resume(const std::function<void(std::uint64_t)>& between) {
  if (!pipeline_ || !pipeline_->named) return 0;
  const int fd = pipeline_->named->fd();
  const std::uint64_t size = sys::file_size(fd);
  if (pipeline_->expected.size && size > *pipeline_->expected.size) {
    sys::truncate(fd, 0);
    return 0;
  }
  pipeline_->resumed_bytes = size;
  std::uint64_t next_pause = kBetweenBytes;
  for (std::uint64_t done = 0; done < size;) {
    const MutableBytes room = space();
    const std::size_t want = std::min<std::uint64_t>(room.size(), size - done);
    const std::size_t count = sys::read_at(fd, room.first(want), done);
    if (count < want) throw Error(ErrorKind::system, "a partial blob became shorter");
    done += count;
    advance(count);
    if (between && done >= next_pause) {
      next_pause += kBetweenBytes;
      between(done);
    }
  }
  return size;
}

void Ingest::write(Bytes bytes) {
  while (!bytes.empty()) {
    const MutableBytes room = space();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    bytes = bytes.subspan(count);
    advance(count);
  }
}

LayerInfo Ingest::finish() {
  if (!pipeline_) throw Error(ErrorKind::invalid, "the layer is finished or was given up");
  const auto pipeline = std::move(pipeline_);
  Pipeline& p = *pipeline;
  return for_layer(p, [&] {
    p.end();
    p.verify();
    const blob::BlobStore& blobs = p.store.blobs();
    p.tar->flush();
    p.recorder.rescue_tail(p.tar->fd(), p.tar->size());
    table::Table table = p.recorder.finish(p.diff_id, p.tar->size());
    StagedLayer derived = p.store.stage(table, p.recorder);
    blobs.sync();
    blobs.publish(*p.tar, p.diff_id.hash);
    if (!p.plain()) blobs.publish(*p.blob, p.blob_digest.hash);
    sys::sync_dir(blobs.directory());
    p.store.publish(derived, p.diff_id);
    LayerInfo info;
    info.digest = p.blob_digest;
    info.size = p.received_bytes;
    info.diff_id = p.diff_id;
    info.tar_size = p.tar->size();
    info.compression = p.compression;
    info.entries = table.size();
    info.content_size = table.totals().content_bytes;
    return info;
  });
}

void Ingest::abort(bool discard) {
  if (pipeline_ && discard) pipeline_->discard();
  pipeline_.reset();
}

LayerInfo ingest_fd(const std::string& root, const Expected& expected, int fd,
                    std::optional<std::uint64_t> offset, std::optional<std::uint64_t> size,
                    const std::function<void(std::uint64_t)>& between) {
  Ingest ingest(root, expected);
  std::uint64_t done = 0;
  std::uint64_t next_pause = kBetweenBytes;
  while (!size || done < *size) {
    ProfileTimer timer(ProfilePart::read);
    MutableBytes room = ingest.space();
    if (size) room = room.first(std::min<std::uint64_t>(room.size(), *size - done));
    const std::size_t count =
        offset ? sys::read_at(fd, room, *offset + done) : sys::read_some(fd, room);
    if (count == 0) break;
    done += count;
    timer.add_bytes(count);
    ingest.advance(count);
    if (between && done >= next_pause) {
      next_pause += kBetweenBytes;
      between(done);
    }
  }
  if (size && done != *size) {
    throw Error(ErrorKind::corrupt, "layer: the archive ends within it");
  }
  return ingest.finish();
}

}  // namespace fastlayers::layer
