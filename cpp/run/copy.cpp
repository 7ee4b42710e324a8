#include "run/copy.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "codec/codec.hpp"
#include "diff/tree_tar.hpp"
#include "sys/file.hpp"
#include "sys/file_system.hpp"
#include "tree/unpacker.hpp"
#include "tree/walker.hpp"

namespace fastlayers::run {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr std::uint64_t kCheckBytes = std::uint64_t{8} << 20;

// What is found is given the names that it is to have in the tar.
class Packer : public tree::Visitor {
 public:
  Packer(diff::TreeTar& tar, std::string label, bool is_root)
      : tar_(tar), label_(std::move(label)), is_root_(is_root) {}

  bool visit(const tree::Found& found) override {
    tree::Found labelled = found;
    labelled.path = found.path.empty() ? label_ : label_ + "/" + found.path;
    add(labelled);
    return true;
  }

  bool crosses_into(const tree::Found& found) override {
    return !(is_root_ && found.path == "dev") && !sys::is_pseudo_file_system(found.own_fd);
  }

  void add(const tree::Found& labelled) {
    try {
      tar_.add(labelled);
    } catch (const Error& error) {
      // Gone since it was found: a running container works on. Nothing of it is in the tar yet.
      if (error.errno_value() != ENOENT) throw;
    }
  }

 private:
  diff::TreeTar& tar_;
  std::string label_;
  bool is_root_;
};

void pack(const CopySource& source, const std::string& label, Sink& out) {
  diff::TreeTar tar(out);
  Packer packer(tar, label, source.path == "/");
  if (source.name.empty()) {
    tree::walk(source.directory.get(), packer);
  } else {
    tree::Found found;
    found.path = label;
    found.name = source.name;
    found.directory_fd = source.directory.get();
    found.status = source.status;
    tar.add(found);
  }
  tar.finish();
}

class Counted : public Sink {
 public:
  explicit Counted(Sink& out) : out_(out) {}
  void write(Bytes bytes) override {
    count_ += bytes.size();
    out_.write(bytes);
  }
  std::uint64_t count() const { return count_; }

 private:
  Sink& out_;
  std::uint64_t count_ = 0;
};

// A tar into a directory; what the container forbids is said as Docker says it.
class Unpacking : public Sink {
 public:
  Unpacking(const CopyEnd& to, CopyTarget target, const CopyOptions& options, const Check& check)
      : to_(to),
        target_(std::move(target)),
        check_(check),
        unpacker_(target_.directory.get(),
                  {options.keep_owners, to.container.empty() ? -1 : to.root_fd, target_.path}),
        reader_(unpacker_) {}

  void write(Bytes bytes) override {
    count_ += bytes.size();
    since_check_ += bytes.size();
    if (since_check_ > kCheckBytes) {
      since_check_ = 0;
      check_();
    }
    explained([&] { reader_.feed(bytes); });
  }

  std::uint64_t finish() {
    explained([&] {
      reader_.finish();
      unpacker_.finish();
    });
    return count_;
  }

 private:
  template <class Work>
  void explained(Work work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.errno_value() != EROFS || to_.container.empty()) throw;
      const bool in_root =
          sys::stat_fd(target_.directory.get()).st_dev == sys::stat_at(to_.root_fd, ".").st_dev;
      throw Error(
          ErrorKind::invalid,
          in_root ? "container rootfs is marked read-only" : "mounted volume is marked read-only",
          EROFS);
    }
  }

  const CopyEnd& to_;
  CopyTarget target_;
  const Check& check_;
  tree::Unpacker unpacker_;
  tar::Reader reader_;
  std::uint64_t count_ = 0;
  std::uint64_t since_check_ = 0;
};

// A Source whose first bytes have been read already.
class Resumed : public Source {
 public:
  Resumed(Bytes head, Source& rest) : head_(head), rest_(rest) {}
  std::size_t read(MutableBytes buffer) override {
    if (head_.empty()) return rest_.read(buffer);
    const std::size_t count = std::min(buffer.size(), head_.size());
    std::copy_n(head_.begin(), count, buffer.begin());
    head_ = head_.subspan(count);
    return count;
  }

 private:
  Bytes head_;
  Source& rest_;
};

}  // namespace

std::uint64_t copy_tree(const CopyEnd& from, const CopyEnd& to, const CopyOptions& options,
                        const Check& check) {
  const CopySource source = resolve_source(from, options.follow_link);
  CopyTarget target = resolve_target(to, source.name.empty());
  const std::string label = target.label.empty() ? source.label : target.label;
  Unpacking unpacking(to, std::move(target), options, check);
  pack(source, label, unpacking);
  return unpacking.finish();
}

std::uint64_t pack_tree(const CopyEnd& from, bool follow_link, Sink& out) {
  const CopySource source = resolve_source(from, follow_link);
  // As Docker's: what a link led to has its own name.
  const std::string real = source.path.substr(source.path.rfind('/') + 1);
  const bool keeps = !follow_link || source.label == "." || real.empty();
  Counted counted(out);
  pack(source, keeps ? source.label : real, counted);
  return counted.count();
}

std::uint64_t unpack_tree(Source& in, const CopyEnd& to, const CopyOptions& options,
                          const Check& check) {
  Unpacking unpacking(to, {resolve_directory(to), to.path, ""}, options, check);
  std::array<std::byte, codec::kSniffBytes> head{};
  std::size_t length = 0;
  while (length < head.size()) {
    const std::size_t got = in.read({head.data() + length, head.size() - length});
    if (got == 0) break;
    length += got;
  }
  Resumed whole({head.data(), length}, in);
  const auto plain = codec::decompress(codec::sniff({head.data(), length}), whole);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  while (const std::size_t got = plain->read({buffer.get(), kBufferBytes})) {
    unpacking.write({buffer.get(), got});
  }
  return unpacking.finish();
}

}  // namespace fastlayers::run
