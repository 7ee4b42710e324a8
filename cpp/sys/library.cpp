#include "sys/library.hpp"

#include <dlfcn.h>

namespace fastlayers::sys {

Library::Library(const std::string& soname)
    : handle_(::dlopen(soname.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

void* Library::symbol(const char* name) const {
  return handle_ != nullptr ? ::dlsym(handle_, name) : nullptr;
}

}  // namespace fastlayers::sys
