#include "run/command.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

constexpr std::size_t kFirstLineBytes = 256;  // BINPRM_BUF_SIZE
constexpr int kMaxInterpreters = 5;           // the kernel follows as many
constexpr unsigned kAnyExecute = 0111;

std::string quoted(const std::string& name) { return "exec: \"" + name + "\": "; }

// The kernel's reading of "#! /bin/sh -e": the interpreter, "" where there is none.
std::string interpreter_of(int root_fd, const std::string& path) {
  const auto file = sys::try_open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return {};
  std::byte buffer[kFirstLineBytes];
  std::string_view line = as_text({buffer, sys::read_at(file->get(), buffer, 0)});
  if (!line.starts_with("#!")) return {};
  line = line.substr(2, std::min(line.find('\n'), line.size()) - 2);
  const auto start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  line.remove_prefix(start);
  std::string interpreter(line.substr(0, std::min(line.find_first_of(" \t"), line.size())));
  return interpreter.substr(0, interpreter.find('\0'));
}

// Follows the chain of interpreters as the kernel will.
void check_interpreters(int root_fd, const std::string& name, const std::string& path,
                        const std::string& directory) {
  std::string current = path;
  for (int depth = 0; depth <= kMaxInterpreters; ++depth) {
    std::string next = interpreter_of(root_fd, current);
    if (next.empty()) return;
    if (next.front() != '/') next = directory + "/" + next;
    if (!sys::try_open_in_root(root_fd, next, O_PATH)) {
      const bool leads_out = errno == ELOOP;
      throw Error(leads_out ? ErrorKind::not_executable : ErrorKind::command_not_found,
                  quoted(name) + "its interpreter " + next +
                      (leads_out ? " is a link that leads out of the container"
                                 : " does not exist: no such file or directory"),
                  errno);
    }
    current = std::move(next);
  }
}

enum class Found { nothing, directory, not_executable, executable };

Found look_at(int root_fd, const std::string& path) {
  const auto file = sys::try_open_in_root(root_fd, path, O_PATH);
  if (!file) return errno == EACCES ? Found::not_executable : Found::nothing;
  const auto status = sys::stat_fd(file->get());
  if (S_ISDIR(status.st_mode)) return Found::directory;
  if (!S_ISREG(status.st_mode)) return Found::not_executable;
  // Root needs one of the bits as well. Other users are told by the child's own attempt.
  return (status.st_mode & kAnyExecute) != 0 ? Found::executable : Found::not_executable;
}

Command find_by_path(int root_fd, const std::string& name, const std::string& directory) {
  const std::string path = name.front() == '/' ? name : directory + "/" + name;
  switch (look_at(root_fd, path)) {
    case Found::nothing:
      throw Error(ErrorKind::command_not_found,
                  quoted(name) + "stat " + path + ": no such file or directory", ENOENT);
    case Found::directory:
      throw Error(ErrorKind::not_executable, quoted(name) + "is a directory", EISDIR);
    case Found::not_executable:
      throw Error(ErrorKind::not_executable, quoted(name) + "permission denied", EACCES);
    case Found::executable:
      break;
  }
  check_interpreters(root_fd, name, path, directory);
  // As it was given: a script sees it as $0, and the working directory is the same.
  return {{name}, false};
}

}  // namespace

std::vector<std::string> candidate_paths(std::string_view name, std::string_view path) {
  std::vector<std::string> candidates;
  while (!path.empty()) {
    const auto colon = std::min(path.find(':'), path.size());
    const auto directory = path.substr(0, colon);
    path.remove_prefix(std::min(colon + 1, path.size()));
    // A relative directory would mean whatever the working directory holds.
    if (directory.empty() || directory.front() != '/') continue;
    candidates.push_back(std::string(directory) + (directory.back() == '/' ? "" : "/") +
                         std::string(name));
  }
  return candidates;
}

Command find_command(int root_fd, const std::string& name, std::string_view path,
                     const std::string& directory) {
  if (name.find('/') != std::string::npos) return find_by_path(root_fd, name, directory);
  Command command;
  command.searched = true;
  if (!name.empty()) {
    for (auto& candidate : candidate_paths(name, path)) {
      if (look_at(root_fd, candidate) != Found::executable) continue;
      check_interpreters(root_fd, name, candidate, directory);
      command.candidates.push_back(std::move(candidate));
    }
  }
  if (command.candidates.empty()) {
    throw Error(ErrorKind::command_not_found, quoted(name) + "executable file not found in $PATH",
                ENOENT);
  }
  return command;
}

}  // namespace fastlayers::run
