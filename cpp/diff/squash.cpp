#include "diff/squash.hpp"

#include <algorithm>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "diff/member.hpp"
#include "digest/xxh3.hpp"
#include "sys/file.hpp"
#include "tar/text.hpp"
#include "tar/writer.hpp"

namespace fastlayers::diff {

namespace {

using table::Entry;
using table::Kind;
using table::Table;

constexpr std::size_t kBufferBytes = 256 * 1024;

// Everything that an entry says, but where it lies in its table. Whoever writes a file writes it
// at a place of its own, so equal places are equal contents.
bool is_same(const Table& a, const Entry& x, const Table& b, const Entry& y) {
  const auto fields = [](const Entry& e) {
    return std::tie(e.kind, e.mode, e.uid, e.gid, e.mtime_sec, e.mtime_nsec, e.size, e.dev_major,
                    e.dev_minor, e.link_group);
  };
  const auto place = [](const Entry& e) {
    return std::make_tuple(e.layer, e.data_offset, e.flags & table::kSide);
  };
  return fields(x) == fields(y) && (x.kind != Kind::file || place(x) == place(y)) &&
         a.link(x) == b.link(y) && a.encoded_xattrs(x) == b.encoded_xattrs(y);
}

char type_of(Kind kind) {
  switch (kind) {
    case Kind::directory:
      return tar::kDirectory;
    case Kind::symlink:
      return tar::kSymlink;
    case Kind::character:
      return tar::kChar;
    case Kind::block:
      return tar::kBlock;
    case Kind::fifo:
      return tar::kFifo;
    default:
      return tar::kFile;
  }
}

class Squasher {
 public:
  Squasher(const Table* below, const Table& top, const layer::LayerStore& layers, Sink& out,
           std::optional<std::int64_t> epoch)
      : below_(below),
        top_(top),
        layers_(layers),
        writer_(out),
        epoch_(epoch),
        written_(top.size()) {}

  void run() {
    // An inode that is changed is so under each of its names.
    std::vector<bool> changed_group(top_.link_groups() + 1);
    if (top_.link_groups() > 0) {
      compare([&](std::size_t i) { changed_group[top_[i].link_group] = true; }, [](std::size_t) {},
              [](std::size_t) {});
    }
    changed_group[0] = false;
    compare([&](std::size_t i) { add(i); },
            [&](std::size_t i) {
              if (changed_group[top_[i].link_group]) add(i);
            },
            [&](std::size_t j) { add_whiteout(j); });
    writer_.finish();
  }

 private:
  // Goes through both tables side by side: entries of the top that are not as they were, those
  // that are, and the topmost of the entries below that are gone.
  template <class Changed, class Kept, class Gone>
  void compare(Changed changed, Kept kept, Gone gone) {
    const std::size_t below_end = below_ == nullptr ? 0 : below_->size();
    std::size_t j = 0;
    for (std::size_t i = 0; i < top_.size(); ++i) {
      int order = -1;
      while (j < below_end &&
             (order = table::compare_paths(top_.path(top_[i]), below_->path((*below_)[j]))) > 0) {
        gone(j);
        j = below_->subtree_end(j);
      }
      if (j == below_end || order < 0) {
        // The root of an empty image is nobody's until a layer has an entry for it.
        const bool nobodys = i == 0 && (top_[i].flags & table::kImplied) != 0;
        nobodys ? kept(i) : changed(i);
      } else {
        const Entry& old = (*below_)[j];
        is_same(top_, top_[i], *below_, old) ? kept(i) : changed(i);
        // What takes the place of a directory hides all that was in it.
        j = is_directory(old) && !is_directory(top_[i]) ? below_->subtree_end(j) : j + 1;
      }
      top_.passed(i);
    }
    for (; j < below_end; j = below_->subtree_end(j)) gone(j);
  }

  // Writes an entry after the directories that lead to it, each once; the root only for its own
  // sake.
  void add(std::size_t index) {
    if (written_[index]) return;
    written_[index] = true;
    const std::uint32_t parent = top_[index].parent;
    if (index != 0 && parent != 0) add(parent);
    write(index);
  }

  void add_whiteout(std::size_t gone) {
    const Entry& entry = (*below_)[gone];
    const std::string_view path = below_->path(entry);
    const std::string directory(path.substr(0, entry.name_offset));
    if (!directory.empty()) add(*top_.find(path.substr(0, directory.size() - 1)));
    write_marker(writer_, directory + ".wh." + std::string(below_->name(entry)));
  }

  void write(std::size_t index) {
    const Entry& e = top_[index];
    tar::Header header;
    header.path = index == 0 ? "./" : std::string(top_.path(e));
    header.mode = e.mode;
    header.uid = e.uid;
    header.gid = e.gid;
    header.mtime_sec = e.mtime_sec;
    header.mtime_nsec = e.mtime_nsec;
    clamp_time(header, epoch_);
    if (e.link_group != 0) {
      const auto [first, is_new] = first_names_.try_emplace(e.link_group, index);
      if (!is_new) {
        write_hard_link(writer_, header, std::string(top_.path(top_[first->second])));
        return;
      }
    }
    header.type = type_of(e.kind);
    if (e.kind == Kind::symlink) header.link_target = top_.link(e);
    if (e.kind == Kind::file) header.size = e.size;
    if (e.kind == Kind::character || e.kind == Kind::block) {
      header.dev_major = e.dev_major;
      header.dev_minor = e.dev_minor;
    }
    for (const auto& [name, value] : top_.xattrs(e)) header.xattrs.emplace_back(name, value);
    writer_.member(header);
    if (e.kind == Kind::file && e.size > 0) write_contents(e);
    writer_.end_member();
  }

  void write_contents(const Entry& e) {
    const int file = data_file(e.layer, (e.flags & table::kSide) != 0);
    for (std::uint64_t at = 0; at < e.size;) {
      const std::size_t want = std::min<std::uint64_t>(kBufferBytes, e.size - at);
      const std::size_t got = sys::read_at(file, {buffer_.get(), want}, e.data_offset + at);
      if (got < want) throw damaged(e);
      const Bytes bytes{buffer_.get(), got};
      {
        const ProfileTimer timer(ProfilePart::hash_files, got);
        hash_.update(bytes);
      }
      writer_.body(bytes);
      at += got;
    }
    if (hash_.finish() != e.xxh3) throw damaged(e);
  }

  Error damaged(const Entry& e) const {
    return Error(ErrorKind::corrupt, "the layer " + top_.layers()[e.layer].str() +
                                         " is damaged in " +
                                         tar::printable("/" + std::string(top_.path(e))) +
                                         "; run 'fastlayers fsck --repair'");
  }

  // Neighbours are mostly of one layer, and an image may have more layers than a process files.
  int data_file(std::uint32_t layer, bool side) {
    constexpr std::size_t kOpenFiles = 64;
    const std::uint64_t key = std::uint64_t{layer} * 2 + side;
    if (files_.size() >= kOpenFiles && !files_.contains(key)) files_.clear();
    sys::Fd& file = files_[key];
    if (!file) {
      const digest::DiffId& id = top_.layers()[layer];
      file = sys::open(side ? layers_.side_path(id) : layers_.tar_path(id), O_RDONLY);
    }
    return file.get();
  }

  const Table* below_;
  const Table& top_;
  const layer::LayerStore& layers_;
  tar::Writer writer_;
  std::optional<std::int64_t> epoch_;
  std::vector<bool> written_;
  std::unordered_map<std::uint32_t, std::size_t> first_names_;
  std::unordered_map<std::uint64_t, sys::Fd> files_;
  digest::Xxh3 hash_;
  std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
};

}  // namespace

void write_squashed(const Table* below, const Table& top, const layer::LayerStore& layers,
                    Sink& out, std::optional<std::int64_t> epoch) {
  Squasher(below, top, layers, out, epoch).run();
}

}  // namespace fastlayers::diff
