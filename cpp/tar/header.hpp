// Header: one logical member of a tar stream, after its PAX and GNU extension headers have
// been applied. Bytes as they stand in the archive: names are neither normalised nor judged.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fastlayers::tar {

// Typeflags (POSIX.1-2017 pax, "ustar Interchange Format"; GNU 'S').
inline constexpr char kFile = '0';
inline constexpr char kHardlink = '1';
inline constexpr char kSymlink = '2';
inline constexpr char kChar = '3';
inline constexpr char kBlock = '4';
inline constexpr char kDirectory = '5';
inline constexpr char kFifo = '6';

struct Extent {
  std::uint64_t logical_offset = 0;  // bytes from the start of the expanded file
  std::uint64_t length = 0;
};

struct Header {
  char type = kFile;  // one of the above: '\0', '7' and 'S' have become kFile
  std::string path;
  std::string link_target;  // hard link or symlink
  std::uint32_t mode = 0;   // masked to 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;  // of the file as a reader sees it (a sparse file: expanded)
  std::int64_t mtime_sec = 0;
  std::uint32_t mtime_nsec = 0;  // 0 to 999,999,999, counted forward also before 1970
  std::uint32_t dev_major = 0;
  std::uint32_t dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  // SCHILY.xattr.*, sorted by name

  bool sparse = false;
  std::vector<Extent> extents;  // sparse: the data runs, ascending, in the order of the body

  std::uint64_t data_offset = 0;  // where the body's data begins in the stream (reader only;
                                  // behind the map of a PAX 1.0 sparse member)
  std::uint64_t data_size = 0;    // stored bytes of the body (sparse: sum of extents)
};

}  // namespace fastlayers::tar
