#include "sys/file.hpp"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/error.hpp"
#include "base/profile.hpp"

namespace fastlayers::sys {

namespace {

template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

int open_in_root_raw(int root_fd, const std::string& path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  // EAGAIN: a rename raced with the resolution of ".."; the kernel asks to try again.
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root_fd, name, &how, sizeof(how));
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN) || attempt == 1000) {
      return static_cast<int>(fd);
    }
  }
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// "/proc/self/fd/N": the only way to reach the xattrs of an O_PATH descriptor.
std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace

Fd open(const std::string& path, int flags, unsigned mode) {
  const int fd = retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) throw_errno("open " + path);
  return Fd(fd);
}

Fd open_at(int dir_fd, const std::string& path, int flags, unsigned mode) {
  const int fd =
      retry([&] { return ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode); });
  if (fd < 0) throw_errno("open " + path);
  return Fd(fd);
}

std::optional<Fd> try_open(const std::string& path, int flags) {
  const int fd = retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC); });
  if (fd < 0) return std::nullopt;
  return Fd(fd);
}

std::string unique_name(const std::string& prefix) {
  static std::atomic<unsigned> counter{0};
  return prefix + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

TemporaryFile create_temporary(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd >= 0) return {Fd(fd), {}};
  if (errno != EOPNOTSUPP && errno != EISDIR) throw_errno("create a file in " + directory);
  std::string name = directory + "/" + unique_name(".tmp-");
  Fd named = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
  return {std::move(named), std::move(name)};
}

void link_file(TemporaryFile& file, const std::string& path) {
  if (!file.name.empty()) {
    rename(file.name, path);
    file.name.clear();
    return;
  }
  const std::string magic = fd_path(file.fd.get());
  const auto link = [&magic](const std::string& to) {
    return ::linkat(AT_FDCWD, magic.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (link(path)) return;
  if (errno != EEXIST) throw_errno("create " + path);
  const std::string folder = path.substr(0, path.rfind('/'));
  const std::string temporary = unique_name(folder + "/.new-");
  if (!link(temporary)) throw_errno("create " + temporary);
  rename(temporary, path);
}

TemporaryFile::~TemporaryFile() {
  if (!name.empty() && !stays) ::unlink(name.c_str());
}

std::optional<TemporaryFile> open_locked(const std::string& path) {
  for (;;) {
    Fd file = open(path, O_RDWR | O_CREAT, 0644);
    if (retry([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return std::nullopt;
      throw_errno("lock " + path);
    }
    struct stat named {};
    const struct stat held = stat_fd(file.get());
    // Whoever had it before may have given it another name, or removed it.
    if (::stat(path.c_str(), &named) == 0 && named.st_ino == held.st_ino &&
        named.st_dev == held.st_dev) {
      TemporaryFile found(std::move(file), path);
      found.stays = true;
      return found;
    }
  }
}

Fd open_in_root(int root_fd, const std::string& path, int flags, unsigned mode) {
  const int fd = open_in_root_raw(root_fd, path, flags, mode);
  if (fd < 0) throw_errno("open " + path + " in the root");
  return Fd(fd);
}

std::optional<Fd> try_open_in_root(int root_fd, const std::string& path, int flags, unsigned mode) {
  const int fd = open_in_root_raw(root_fd, path, flags, mode);
  if (fd < 0) return std::nullopt;
  return Fd(fd);
}

void make_dirs(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) throw_errno("create " + path);
  const std::string parent = parent_of(path);
  if (parent == path) throw_errno("create " + path, ENOENT);
  make_dirs(parent, mode);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw_errno("create " + path);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename " + from + " to " + to);
}

bool try_rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return true;
  if (errno == EEXIST || errno == ENOTEMPTY) return false;
  throw_errno("rename " + from + " to " + to);
}

void exchange(const std::string& one, const std::string& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno == EINVAL || errno == ENOSYS) {
    throw Error(ErrorKind::unsupported, "the file system of " + one +
                                            " cannot exchange names: use another folder (--root)");
  }
  throw_errno("exchange " + one + " and " + other);
}

void unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("remove " + path);
}

void change_directory(const std::string& path) {
  if (::chdir(path.c_str()) != 0) throw_errno("enter " + path);
}

void seek(int fd, std::uint64_t off) {
  if (::lseek(fd, static_cast<off_t>(off), SEEK_SET) < 0) throw_errno("seek");
}

void truncate(int fd, std::uint64_t size) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) throw_errno("set the length of a file");
}

void sync_file(int fd) {
  const ProfileTimer timer(ProfilePart::sync);
  if (::fdatasync(fd) != 0) throw_errno("write to disk");
}

void start_writeback(int fd, std::uint64_t off, std::uint64_t bytes) {
  ::sync_file_range(fd, static_cast<off64_t>(off), static_cast<off64_t>(bytes),
                    SYNC_FILE_RANGE_WRITE);
}

void sync_file_system(int fd) {
  const ProfileTimer timer(ProfilePart::sync);
  if (::syncfs(fd) != 0) throw_errno("write to disk");
}

void sync_dir(const std::string& path) {
  const ProfileTimer timer(ProfilePart::sync);
  const Fd dir = open(path, O_RDONLY | O_DIRECTORY);
  if (::fsync(dir.get()) != 0) throw_errno("write " + path + " to disk");
}

std::size_t read_some(int fd, MutableBytes buffer) {
  const auto count = retry([&] { return ::read(fd, buffer.data(), buffer.size()); });
  if (count < 0) throw_errno("read");
  return static_cast<std::size_t>(count);
}

std::size_t read_at(int fd, MutableBytes buffer, std::uint64_t off) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const auto count = retry([&] {
      return ::pread(fd, buffer.data() + done, buffer.size() - done,
                     static_cast<off_t>(off + done));
    });
    if (count < 0) throw_errno("read");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const auto count = retry([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (count < 0) throw_errno("write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_all_at(int fd, Bytes bytes, std::uint64_t off) {
  while (!bytes.empty()) {
    const auto count =
        retry([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(off)); });
    if (count < 0) throw_errno("write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    off += static_cast<std::uint64_t>(count);
  }
}

std::string read_file(const std::string& path, std::uint64_t limit_bytes) {
  const Fd file = open(path, O_RDONLY);
  std::string text;
  std::byte buffer[65536];
  while (const std::size_t count = read_some(file.get(), buffer)) {
    if (text.size() + count > limit_bytes) {
      throw Error(ErrorKind::limit,
                  path + " is longer than " + std::to_string(limit_bytes) + " bytes");
    }
    text.append(as_text({buffer, count}));
  }
  return text;
}

void write_file_atomic(const std::string& path, Bytes bytes, unsigned mode) {
  const std::string temporary = unique_name(path + ".tmp-");
  try {
    const Fd file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write_all(file.get(), bytes);
    sync_file(file.get());
    rename(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_dir(parent_of(path));
}

std::uint64_t file_size(int fd) { return static_cast<std::uint64_t>(stat_fd(fd).st_size); }

struct stat stat_fd(int fd) {
  struct stat result {};
  if (::fstat(fd, &result) != 0) throw_errno("stat");
  return result;
}

struct stat stat_at(int dir_fd, const std::string& name) {
  struct stat result {};
  if (::fstatat(dir_fd, name.c_str(), &result, AT_SYMLINK_NOFOLLOW) != 0) {
    throw_errno("stat " + name);
  }
  return result;
}

std::optional<struct stat> try_stat_at(int dir_fd, const std::string& name) {
  struct stat result {};
  if (::fstatat(dir_fd, name.c_str(), &result, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return result;
}

std::vector<std::string> list_dir(int dir_fd) {
  // A descriptor of its own: fdopendir takes it over, and the caller's offset stays.
  Fd copy(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) throw_errno("open a directory");
  DIR* stream = ::fdopendir(copy.get());
  if (stream == nullptr) throw_errno("read a directory");
  copy.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) throw_errno("read a directory", error);
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_link_at(int dir_fd, const std::string& name) {
  char buffer[4096];
  const auto length = ::readlinkat(dir_fd, name.c_str(), buffer, sizeof(buffer));
  if (length < 0) throw_errno("readlink " + name);
  return {buffer, static_cast<std::size_t>(length)};
}

std::vector<std::pair<std::string, std::string>> list_xattrs(int fd) {
  const std::string path = fd_path(fd);
  std::string names(1024, '\0');
  for (;;) {
    const auto length = ::listxattr(path.c_str(), names.data(), names.size());
    if (length >= 0) {
      names.resize(static_cast<std::size_t>(length));
      break;
    }
    if (errno == ENOTSUP) return {};
    if (errno != ERANGE) throw_errno("list extended attributes");
    names.resize(names.size() * 4);
  }
  std::vector<std::pair<std::string, std::string>> result;
  for (std::size_t start = 0; start < names.size();) {
    std::string name(names.c_str() + start);
    start += name.size() + 1;
    if (auto value = get_xattr(fd, name)) result.emplace_back(std::move(name), std::move(*value));
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<std::string> get_xattr(int fd, const std::string& name) {
  const std::string path = fd_path(fd);
  std::string value(256, '\0');
  for (;;) {
    const auto length = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (length >= 0) {
      value.resize(static_cast<std::size_t>(length));
      return value;
    }
    if (errno == ENODATA || errno == ENOTSUP) return std::nullopt;
    if (errno != ERANGE) throw_errno("read extended attribute " + name);
    value.resize(65536);
  }
}

Mapping::Mapping(int fd) : length_(static_cast<std::size_t>(file_size(fd))) {
  if (length_ == 0) return;
  address_ = ::mmap(nullptr, length_, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address_ == MAP_FAILED) {
    address_ = nullptr;
    throw_errno("map a file");
  }
}

Mapping Mapping::writable(int fd, std::uint64_t bytes) {
  Mapping mapping;
  if (bytes == 0) return mapping;
  const auto reserve = [&] {
    errno = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));  // returns what others set
    return errno == 0 ? 0 : -1;
  };
  if (retry(reserve) != 0) throw_errno("reserve " + std::to_string(bytes) + " bytes of a file");
  void* address =
      ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) throw_errno("map a file");
  mapping.address_ = address;
  mapping.length_ = static_cast<std::size_t>(bytes);
  return mapping;
}

Mapping Mapping::anonymous(std::size_t bytes) {
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw_errno("map memory");
  Mapping mapping;
  mapping.address_ = address;
  mapping.length_ = bytes;
  return mapping;
}

void Mapping::release_pages() const noexcept {
  if (address_ != nullptr) ::madvise(address_, length_, MADV_DONTNEED);
}

Mapping::~Mapping() {
  if (address_ != nullptr) ::munmap(address_, length_);
}

FileLock::FileLock(const std::string& path, Mode mode) : fd_(open(path, O_RDWR | O_CREAT, 0644)) {
  if (retry([&] { return ::flock(fd_.get(), mode == Mode::shared ? LOCK_SH : LOCK_EX); }) != 0) {
    throw_errno("lock " + path);
  }
}

std::optional<FileLock> FileLock::try_lock(const std::string& path, Mode mode) {
  Fd fd = open(path, O_RDWR | O_CREAT, 0644);
  const int operation = (mode == Mode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  if (retry([&] { return ::flock(fd.get(), operation); }) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw_errno("lock " + path);
  }
  return FileLock(std::move(fd));
}

}  // namespace fastlayers::sys
