// Namespaces of one thread.
//
// A thread may enter namespaces of its own, do in them what a container needs, start the
// container's first process, and come back; the rest of the process never notices.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

// While it lives the calling thread is in new mount (private, nothing propagates), UTS and IPC
// namespaces, its children in a new PID namespace, and it has a working directory, root and file
// mode mask of its own. The destructor takes the thread back; it must be the same thread, and one
// that ends afterwards (its working directory stays its own).
class OwnNamespaces {
 public:
  explicit OwnNamespaces(bool network);
  OwnNamespaces(const OwnNamespaces&) = delete;
  OwnNamespaces& operator=(const OwnNamespaces&) = delete;
  ~OwnNamespaces();

 private:
  Fd process_;
  int entered_ = 0;
};

void raise_loopback();  // brings "lo" of this thread's network namespace up
void set_hostname(const std::string& name);
std::string hostname();
// Makes the mount `root_fd` the root of this thread's mount namespace, drops everything else and
// changes into it.
void pivot_into(int root_fd);
void change_directory(int directory_fd);
// Throws Error(traversal) when it is not below the root of this thread.
std::string current_directory();
void clear_file_mask();  // umask(0)

}  // namespace fastlayers::sys
