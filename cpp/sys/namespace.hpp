// What the first process of a container does in its new namespaces, and what joins them later.
#pragma once

#include <string>

#include "sys/fd.hpp"

namespace fastlayers::sys {

// Moves this process into a control group.
void join_cgroup(const std::string& directory);
// From here on the control groups that this process is in are the roots of all that it sees.
void enter_cgroup_namespace();
// How soon the kernel ends this process for want of memory, -1000 to 1000.
void set_oom_score_adj(int value);
// Of the calling process's mount namespace: nothing propagates in or out any more.
void keep_mounts_private();
// Joins the mounts, host name, IPC objects, view of control groups and network of the process
// behind `leader`; the root of its mounts becomes this process's.
void join_namespaces(const Fd& leader);
// A network namespace with nothing in it, for as long as it is held open. As in Docker's, every
// user of it may listen at ports below 1024.
Fd new_network();
void join_network(const Fd& network);
void raise_loopback();  // brings "lo" of this process's network namespace up
void set_hostname(const std::string& name);
void set_domainname(const std::string& name);
std::string hostname();
// Makes the mount `root_fd` the root of this process and its mount namespace, drops everything else
// and changes into it.
void pivot_into(int root_fd);
void change_directory(int directory_fd);
// Throws Error(traversal) when it is not below the root of this process.
std::string current_directory();
void clear_file_mask();  // umask(0)

}  // namespace fastlayers::sys
