// Error: the one exception type of the core.
//
// A kind says what went wrong (the Python side has one class per kind and never looks at
// the text), the message says what happened to what, and each caller on the way up may put
// a line of context in front. Errors are values: copyable, owned by whoever catches them.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace fastlayers {

enum class ErrorKind {
  invalid,            // the caller asked for something that makes no sense
  not_found,          // an image, container, layer, blob or path that is not there
  conflict,           // a name already in use, a container in the wrong state
  corrupt,            // bytes from outside that break their format
  digest_mismatch,    // bytes that are not what their digest or size says
  traversal,          // a path that leaves its root
  unsupported,        // well-formed, but this engine or this kernel cannot
  limit,              // an explicit bound was exceeded
  system,             // a system call failed; errno_value() is set
  command_not_found,  // run: exit code 127
  not_executable,     // run: exit code 126
};

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, int errno_value = 0);

  ErrorKind kind() const noexcept { return kind_; }
  int errno_value() const noexcept { return errno_value_; }
  const char* what() const noexcept override { return message_.c_str(); }

  // Puts "context: " in front of the message.
  Error& add_context(std::string_view context);

 private:
  ErrorKind kind_;
  int errno_value_;
  std::string message_;
};

// Throws ErrorKind::system with "what: <strerror(errno)>".
[[noreturn]] void throw_errno(std::string_view what);
[[noreturn]] void throw_errno(std::string_view what, int errno_value);

}  // namespace fastlayers
