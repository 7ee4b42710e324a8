#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/queue.hpp"
#include "codec/block_encoder.hpp"
#include "codec/gzip.hpp"

namespace fastlayers::codec {

namespace {

// Magic, DEFLATE, no flags, no time, no hint, unknown system: nothing of the machine it ran on.
constexpr std::array<std::uint8_t, 10> kHeader = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

class Output final : public Sink {
 public:
  void write(Bytes bytes) override { data.insert(data.end(), bytes.begin(), bytes.end()); }
  std::vector<std::byte> data;
};

// A block on its way through a worker.
struct Job {
  std::vector<std::byte> input;  // the dictionary, then the block
  std::size_t dictionary_bytes = 0;
  bool last = false;
  Output output;
  std::exception_ptr failure;
  bool done = false;

  void run(Deflater& deflater) {
    const Bytes all(input);
    deflater.deflate(all.first(dictionary_bytes), all.subspan(dictionary_bytes), last, output);
  }
};

// Threads that compress; gone with this object, whatever they were at.
class Workers {
 public:
  Workers(const DeflateEngine& engine, int level, unsigned count) : waiting_(2 * count) {
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this, &engine, level] { work(engine, level); });
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    waiting_.cancel();
    for (auto& thread : threads_) thread.join();
  }

  std::size_t room() const { return 2 * threads_.size(); }
  void start(Job& job) { waiting_.push(&job); }
  void await(Job& job) {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&job] { return job.done; });
    if (job.failure) std::rethrow_exception(job.failure);
  }

 private:
  void work(const DeflateEngine& engine, int level) {
    const auto deflater = engine.make_deflater(level);
    while (const auto job = waiting_.pop()) {
      try {
        (*job)->run(*deflater);
      } catch (...) {
        (*job)->failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      (*job)->done = true;
      finished_.notify_all();
    }
  }

  BoundedQueue<Job*> waiting_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::vector<std::thread> threads_;
};

class GzipEncoder final : public BlockEncoder {
 public:
  GzipEncoder(const DeflateEngine& engine, int level, Sink& out, unsigned threads)
      : engine_(engine), out_(out) {
    if (threads > 1) {
      workers_ = std::make_unique<Workers>(engine, level, threads);
    } else {
      deflater_ = engine.make_deflater(level);
    }
  }

 private:
  void block(Bytes bytes, bool last) override {
    if (!started_) out_.write(std::as_bytes(std::span(kHeader)));
    started_ = true;
    crc_ = engine_.crc32(crc_, bytes);
    size_ += static_cast<std::uint32_t>(bytes.size());  // ISIZE counts modulo 2^32
    if (workers_ == nullptr) {
      deflater_->deflate(window_, bytes, last, out_);
    } else {
      hand_over(bytes, last);
    }
    const Bytes end = bytes.last(std::min(bytes.size(), kWindowBytes));
    window_.assign(end.begin(), end.end());
    if (last) write_trailer();
  }

  void hand_over(Bytes bytes, bool last) {
    if (jobs_.size() == workers_->room()) write_oldest();
    Job& job = *jobs_.emplace_back(std::make_unique<Job>());
    job.input = window_;
    job.input.insert(job.input.end(), bytes.begin(), bytes.end());
    job.dictionary_bytes = window_.size();
    job.last = last;
    workers_->start(job);
    while (last && !jobs_.empty()) write_oldest();
  }

  void write_oldest() {
    workers_->await(*jobs_.front());
    out_.write(jobs_.front()->output.data);
    jobs_.pop_front();
  }

  void write_trailer() {
    std::array<std::byte, 8> trailer{};
    for (unsigned i = 0; i < 4; ++i) {
      trailer[i] = static_cast<std::byte>(crc_ >> (8 * i) & 0xff);
      trailer[4 + i] = static_cast<std::byte>(size_ >> (8 * i) & 0xff);
    }
    out_.write(trailer);
  }

  const DeflateEngine& engine_;
  Sink& out_;
  bool started_ = false;
  std::uint32_t crc_ = 0;
  std::uint32_t size_ = 0;
  std::vector<std::byte> window_;
  std::unique_ptr<Deflater> deflater_;     // without workers
  std::deque<std::unique_ptr<Job>> jobs_;  // begun, in the stream's order
  std::unique_ptr<Workers> workers_;       // last: gone before the jobs they have in hand
};

}  // namespace

std::unique_ptr<Encoder> gzip_encoder(const DeflateEngine& engine, int level, Sink& out,
                                      unsigned threads) {
  return std::make_unique<GzipEncoder>(engine, level, out, threads);
}

}  // namespace fastlayers::codec
