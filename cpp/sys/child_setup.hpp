// The last steps of a child before execve(2): what must not be shared with its parent any more.
//
// Nothing here allocates, throws or uses a libc wrapper that touches other threads. Each function
// returns 0 or an errno.
#pragma once

#include <span>

namespace fastlayers::sys::child {

int set_limit(int resource, unsigned long long soft, unsigned long long hard) noexcept;
int own_descriptors() noexcept;   // a copy of the table shared so far
void default_signals() noexcept;  // every disposition back to the default
void unblock_signals() noexcept;
void set_file_mask(unsigned mask) noexcept;
int new_session() noexcept;
int new_session_keyring() noexcept;  // without the keys of the host's session; none is fine
int install_stdio(const int (&fds)[3]) noexcept;  // each of them above 2
int take_terminal() noexcept;                     // descriptor 0 becomes the controlling terminal
// SIGKILL when the thread that cloned us ends; ESRCH if it has ended already. `parent` is from
// open_pidfd_of_caller(). A change of identity undoes it, so it comes after become().
int die_with_parent(int parent) noexcept;
int adopt_orphans() noexcept;  // what those that descend from us leave; stays so at execve(2)
int close_from(int first) noexcept;
// Gives descriptors the numbers from `first` on; closes all behind. They stay open at execve(2),
// but for the last.
int gather(std::span<int> fds, int first) noexcept;
void say(int fd, const void* bytes, unsigned long count) noexcept;
bool may_execute(const char* path) noexcept;  // a file this identity may execute
int execute(const char* path, char* const argv[], char* const envp[]) noexcept;
int execute_open(int fd, char* const argv[], char* const envp[]) noexcept;  // execveat(2)
[[noreturn]] void leave(int code) noexcept;

}  // namespace fastlayers::sys::child
