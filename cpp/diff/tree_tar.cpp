#include "diff/tree_tar.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.hpp"
#include "diff/member.hpp"
#include "diff/owner.hpp"
#include "sys/file.hpp"
#include "sys/node.hpp"
#include "tar/text.hpp"

namespace fastlayers::diff {

namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

std::vector<std::pair<std::string, std::string>> portable_xattrs(const tree::Found& found) {
  std::vector<std::pair<std::string, std::string>> xattrs;
  if (found.own_fd >= 0) {
    xattrs = sys::list_xattrs(found.own_fd);
  } else {
    const sys::Fd node = sys::open_at(found.directory_fd, found.name, O_PATH);
    xattrs = sys::list_xattrs(node.get());
  }
  std::erase_if(xattrs, [](const auto& x) { return is_local_xattr(x.first); });
  return xattrs;
}

}  // namespace

bool is_local_xattr(std::string_view name) {
  constexpr std::array<std::string_view, 9> kPrefixes = {
      kOwnerAttribute,       "trusted.overlay.", "user.overlay.",
      "user.fuseoverlayfs.", "security.selinux", "security.ima",
      "security.evm",        "system.nfs4_acl",  "security.SMACK"};
  for (const auto prefix : kPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

void TreeTar::add(const tree::Found& found) {
  const struct stat& status = found.status;
  if (S_ISSOCK(status.st_mode)) return;
  tar::Header header;
  header.path = found.path.empty() ? "./" : found.path;
  header.mode = status.st_mode & 07777;
  header.uid = status.st_uid;
  header.gid = status.st_gid;
  header.mtime_sec = status.st_mtim.tv_sec;
  header.mtime_nsec = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  clamp_time(header, epoch_);
  if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
    const auto [first, is_new] =
        first_names_.try_emplace({status.st_dev, status.st_ino}, found.path);
    if (!is_new) {
      write_hard_link(writer_, header, first->second);
      return;
    }
  }
  header.xattrs = portable_xattrs(found);
  if (S_ISREG(status.st_mode)) {
    add_file(header, found);
    return;
  }
  if (S_ISDIR(status.st_mode)) {
    header.type = tar::kDirectory;
  } else if (S_ISLNK(status.st_mode)) {
    header.type = tar::kSymlink;
    header.link_target = sys::read_link_at(found.directory_fd, found.name);
  } else if (S_ISFIFO(status.st_mode)) {
    header.type = tar::kFifo;
  } else {
    header.type = S_ISCHR(status.st_mode) ? tar::kChar : tar::kBlock;
    header.dev_major = sys::device_major(status);
    header.dev_minor = sys::device_minor(status);
  }
  writer_.member(header);
  writer_.end_member();
}

void TreeTar::add_file(tar::Header& header, const tree::Found& found) {
  const sys::Fd file = sys::open_at(found.directory_fd, found.name, O_RDONLY | O_NONBLOCK);
  const struct stat status = sys::stat_fd(file.get());
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::conflict, tar::printable("/" + found.path) +
                                         " became something else while it was read; stop what "
                                         "writes to it");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  header.type = tar::kFile;
  header.size = size;
  writer_.member(header);
  thread_local const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  static const std::array<std::byte, 65536> kZeros{};
  std::uint64_t at = 0;
  const auto zeros_until = [&](std::uint64_t end) {
    while (at < end) {
      const std::size_t count = std::min<std::uint64_t>(kZeros.size(), end - at);
      writer_.body({kZeros.data(), count});
      at += count;
    }
  };
  sys::for_each_data(file.get(), size, [&](std::uint64_t offset, std::uint64_t length) {
    zeros_until(offset);
    while (at < offset + length) {
      const std::size_t want = std::min<std::uint64_t>(kBufferBytes, offset + length - at);
      const std::size_t got = sys::read_at(file.get(), {buffer.get(), want}, at);
      if (got == 0) {
        throw Error(ErrorKind::conflict, tar::printable("/" + found.path) +
                                             " shrank while it was read; stop what writes to it");
      }
      writer_.body({buffer.get(), got});
      at += got;
    }
  });
  zeros_until(size);
  writer_.end_member();
}

}  // namespace fastlayers::diff
