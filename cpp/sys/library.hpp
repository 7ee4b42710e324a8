// A shared library that is loaded when it is first needed, not with the process: relocating a
// large one costs every start a millisecond. Never unloaded.
#pragma once

#include <string>

namespace fastlayers::sys {

class Library {
 public:
  // Looked up as the dynamic linker does; missing is no error, see found().
  explicit Library(const std::string& soname);
  bool found() const { return handle_ != nullptr; }

  // The function of that name, or a null pointer.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
  void* handle_;
};

}  // namespace fastlayers::sys
