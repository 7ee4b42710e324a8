#include "sys/file_system.hpp"

#include <sys/vfs.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "base/error.hpp"

namespace fastlayers::sys {

namespace {

struct Name {
  std::uint32_t magic;  // statfs(2), f_type
  const char* name;
};

constexpr Name kNames[] = {
    {0xef53, "ext4"},         {0x58465342, "xfs"},   {0x9123683e, "btrfs"},
    {0xf2f52010, "f2fs"},     {0x2fc12fc1, "zfs"},   {0xca451a4e, "bcachefs"},
    {0x01021994, "tmpfs"},    {0x858458f6, "ramfs"}, {0x794c7630, "overlayfs"},
    {0x6969, "nfs"},          {0x65735546, "fuse"},  {0xff534d42, "cifs"},
    {0xfe534d42, "smb2"},     {0x01021997, "9p"},    {0xe0f5e1e2, "erofs"},
    {0x73717368, "squashfs"}, {0x4d44, "vfat"},      {0x2011bab0, "exfat"},
};

constexpr std::uint32_t kUnifiedCgroup = 0x63677270;
constexpr std::uint32_t kPseudo[] = {
    0x9fa0,      // proc
    0x62656572,  // sysfs
    0x27e0eb,    // cgroup
    kUnifiedCgroup,
    0x1cd1,      // devpts
    0x19800202,  // mqueue
    0x64626720,  // debugfs
    0x74726163,  // tracefs
    0x73636673,  // securityfs
    0xcafe4a11,  // bpf
    0x62656570,  // configfs
    0x6165676c,  // pstore
    0x42494e4d,  // binfmt_misc
    0xde5e81e4,  // efivarfs
    0x6e736673,  // nsfs
};

std::uint32_t magic_of(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) != 0) throw_errno("statfs");
  return static_cast<std::uint32_t>(info.f_type);
}

}  // namespace

bool is_pseudo_file_system(int fd) {
  return std::find(std::begin(kPseudo), std::end(kPseudo), magic_of(fd)) != std::end(kPseudo);
}

bool is_unified_cgroup(int fd) { return magic_of(fd) == kUnifiedCgroup; }

std::string file_system_name(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) == 0) {
    for (const Name& known : kNames) {
      if (known.magic == static_cast<std::uint32_t>(info.f_type)) return known.name;
    }
  }
  return "an unknown file system";
}

}  // namespace fastlayers::sys
