#include "tree/tree_writer.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/node.hpp"
#include "sys/user_namespace.hpp"
#include "tar/text.hpp"

namespace fastlayers::tree {

namespace {

using table::Entry;
using table::Kind;
using table::Table;

constexpr std::size_t kBatch = 1024;
// Files of this size are worth asking where their holes are: tars and side files keep holes.
constexpr std::uint64_t kSparseBytes = 1 << 20;

// Open descriptors of the directories that lead to the current one. Moving to the next entry in
// path order closes and opens only what differs.
class DirectoryCursor {
 public:
  DirectoryCursor(const Table& table, int root_fd) : table_(table), root_fd_(root_fd) {}

  int enter(std::uint32_t directory) {
    std::vector<std::uint32_t> missing;
    std::uint32_t at = directory;
    while (at != 0 && !contains(at)) {
      missing.push_back(at);
      at = table_[at].parent;
    }
    while (!stack_.empty() && stack_.back().index != at) stack_.pop_back();
    for (auto i = missing.rbegin(); i != missing.rend(); ++i) {
      const std::string name(table_.name(table_[*i]));
      stack_.push_back({*i, sys::open_at(top(), name, O_RDONLY | O_DIRECTORY)});
    }
    return top();
  }

 private:
  struct Open {
    std::uint32_t index;
    sys::Fd fd;
  };
  int top() const { return stack_.empty() ? root_fd_ : stack_.back().fd.get(); }
  bool contains(std::uint32_t index) const {
    return std::any_of(stack_.rbegin(), stack_.rend(),
                       [index](const Open& open) { return open.index == index; });
  }

  const Table& table_;
  int root_fd_;
  std::vector<Open> stack_;
};

class TreeWriter {
 public:
  TreeWriter(const Table& table, int root_fd, const DataFile& data, const WriteOptions& options)
      : table_(table), root_fd_(root_fd), data_(data), options_(options) {}

  void run() {
    make_directories();
    find_first_names();
    make_others();
    make_hard_links();
    for (std::size_t i = table_.size(); i-- > 0;) {
      if (is_directory(table_[i])) named(i, [&] { finish_directory(i); });
    }
  }

 private:
  template <class Work>
  void named(std::size_t index, Work work) const {
    try {
      work();
    } catch (Error& error) {
      error.add_context(tar::printable("/" + std::string(table_.path(table_[index]))));
      throw;
    }
  }

  void make_directories() {
    DirectoryCursor cursor(table_, root_fd_);
    for (std::size_t i = 1; i < table_.size(); ++i) {
      const Entry& e = table_[i];
      if (!is_directory(e)) continue;
      named(i, [&] {
        sys::make_directory_at(cursor.enter(e.parent), std::string(table_.name(e)), 0700);
      });
    }
  }

  void find_first_names() {
    for (std::uint32_t i = 0; i < table_.size(); ++i) {
      if (table_[i].link_group != 0) first_names_.try_emplace(table_[i].link_group, i);
    }
  }

  bool is_later_name(std::size_t index) const {
    const std::uint32_t group = table_[index].link_group;
    return group != 0 && first_names_.at(group) != index;
  }

  // Batches of neighbouring entries go to whichever thread is free.
  void make_others() {
    std::atomic<std::size_t> next{1};
    std::exception_ptr failure;
    std::mutex failure_mutex;
    const auto work = [&] {
      try {
        DirectoryCursor cursor(table_, root_fd_);
        for (std::size_t from; (from = next.fetch_add(kBatch)) < table_.size();) {
          const std::size_t to = std::min(from + kBatch, table_.size());
          for (std::size_t i = from; i < to; ++i) make_other(cursor, i);
        }
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = table_.size();
      }
    };
    std::vector<std::thread> threads;
    if (table_.size() > kBatch) {
      for (unsigned t = 1; t < options_.threads; ++t) threads.emplace_back(work);
    }
    work();
    for (auto& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
  }

  void make_other(DirectoryCursor& cursor, std::size_t index) {
    const Entry& e = table_[index];
    if (is_directory(e) || is_later_name(index)) return;
    named(index, [&] {
      const int dir = cursor.enter(e.parent);
      const std::string name(table_.name(e));
      switch (e.kind) {
        case Kind::file:
          make_file(dir, name, e);
          break;
        case Kind::symlink:
          sys::make_symlink_at(dir, name, std::string(table_.link(e)));
          finish_other(dir, name, e);
          break;
        case Kind::whiteout:
          if (options_.overlay_marks) sys::make_node_at(dir, name, S_IFCHR, 0, 0);
          break;
        default:
          if (stands_in(e.kind)) {
            sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
          } else {
            sys::make_node_at(dir, name, node_type(e.kind), e.dev_major, e.dev_minor);
          }
          finish_other(dir, name, e);
      }
    });
  }

  static unsigned node_type(Kind kind) {
    if (kind == Kind::character) return S_IFCHR;
    return kind == Kind::block ? S_IFBLK : S_IFIFO;
  }

  void make_file(int dir, const std::string& name, const Entry& e) {
    const sys::Fd file = sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (e.size > 0) {
      const int from = data_(e.layer, (e.flags & table::kSide) != 0);
      if (e.size >= kSparseBytes) {
        copy_sparse(from, e, file.get());
      } else {
        sys::copy_range(from, e.data_offset, file.get(), e.size);
      }
    }
    sys::set_owner(file.get(), e.uid, e.gid);
    for (const auto& [key, value] : table_.xattrs(e)) {
      check_xattr(sys::set_xattr(file.get(), std::string(key), value), key);
    }
    sys::set_mode(file.get(), e.mode);
    sys::set_mtime(file.get(), e.mtime_sec, e.mtime_nsec);
  }

  static void copy_sparse(int from, const Entry& e, int to) {
    sys::truncate(to, e.size);
    std::uint64_t offset = e.data_offset;
    std::uint64_t length = 0;
    const std::uint64_t end = e.data_offset + e.size;
    while (sys::next_data(from, end, offset, length)) {
      sys::seek(to, offset - e.data_offset);
      sys::copy_range(from, offset, to, length);
      offset += length;
    }
  }

  void finish_other(int dir, const std::string& name, const Entry& e) {
    sys::set_owner_at(dir, name, e.uid, e.gid);
    for (const auto& [key, value] : table_.xattrs(e)) {
      check_xattr(sys::set_xattr_at(dir, name, std::string(key), value), key);
    }
    if (e.kind != Kind::symlink) sys::set_mode_at(dir, name, e.mode);
    sys::set_mtime_at(dir, name, e.mtime_sec, e.mtime_nsec);
  }

  // Not every file system takes every attribute, and that is no reason to lose the image; a lost
  // capability would break programs, so that is one (EDGE-CASES G5).
  static void check_xattr(bool set, std::string_view key) {
    if (!set && key == "security.capability") {
      throw Error(ErrorKind::unsupported,
                  "the store's file system does not keep security.capability; use another folder "
                  "(--root) or the erofs backend");
    }
  }

  void make_hard_links() {
    DirectoryCursor from(table_, root_fd_);
    DirectoryCursor to(table_, root_fd_);
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const Entry& e = table_[i];
      if (e.link_group == 0 || !is_later_name(i)) continue;
      const Entry& first = table_[first_names_.at(e.link_group)];
      named(i, [&] {
        sys::make_link_at(from.enter(first.parent), std::string(table_.name(first)),
                          to.enter(e.parent), std::string(table_.name(e)));
      });
    }
  }

  void finish_directory(std::size_t index) {
    const Entry& e = table_[index];
    const int fd = index == 0 ? root_fd_ : finishing_.enter(static_cast<std::uint32_t>(index));
    if (options_.overlay_marks && (e.flags & table::kOpaque) != 0 &&
        !sys::set_xattr(fd, sys::opaque_attribute(), "y")) {
      throw Error(ErrorKind::unsupported,
                  "the store's file system does not keep " + sys::opaque_attribute() +
                      ", which overlayfs needs; use another folder (--root)");
    }
    sys::set_owner(fd, e.uid, e.gid);
    for (const auto& [key, value] : table_.xattrs(e)) {
      check_xattr(sys::set_xattr(fd, std::string(key), value), key);
    }
    sys::set_mode(fd, e.mode);
    sys::set_mtime(fd, e.mtime_sec, e.mtime_nsec);
  }

  const Table& table_;
  int root_fd_;
  const DataFile& data_;
  const WriteOptions& options_;
  DirectoryCursor finishing_{table_, root_fd_};
  std::unordered_map<std::uint32_t, std::uint32_t> first_names_;
};

}  // namespace

bool stands_in(Kind kind) {
  return (kind == Kind::character || kind == Kind::block) && !sys::in_initial_user_namespace();
}

void write_tree(const Table& table, int root_fd, const DataFile& data,
                const WriteOptions& options) {
  const ProfileTimer timer(ProfilePart::tree);
  TreeWriter(table, root_fd, data, options).run();
}

}  // namespace fastlayers::tree
