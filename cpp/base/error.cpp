#include "base/error.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace fastlayers {

Error::Error(ErrorKind kind, std::string message, int errno_value)
    : kind_(kind), errno_value_(errno_value), message_(std::move(message)) {}

Error& Error::add_context(std::string_view context) {
  message_ = std::string(context) + ": " + message_;
  return *this;
}

void throw_errno(std::string_view what) { throw_errno(what, errno); }

void throw_errno(std::string_view what, int errno_value) {
  throw Error(ErrorKind::system,
              std::string(what) + ": " + std::generic_category().message(errno_value), errno_value);
}

}  // namespace fastlayers
