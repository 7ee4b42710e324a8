// Account: who the process in the container is.
//
// Names are looked up in the image's own passwd and group files by a parser of ours, never by the
// host's resolver. These files are hostile: lines that do not parse are skipped, an id out of
// range is never wrapped, and what looks like a number is never looked up as a name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fastlayers::run {

struct Account {
  unsigned uid = 0;
  unsigned gid = 0;
  std::vector<unsigned> groups;  // supplementary ones, with gid in front
  std::string home = "/";
};

// `user` is "", "name", "uid", "name:group", "uid:gid", ...; `passwd` and `group` are the texts of
// the image's files ("" where it has none). As Docker: a uid without an entry has gid 0; an entry's
// name brings its supplementary groups unless a group is given; `more_groups` are names and
// numbers of further ones. Throws Error(invalid).
Account find_account(const std::string& user, std::string_view passwd, std::string_view group,
                     const std::vector<std::string>& more_groups = {});

// The same, reading /etc/passwd and /etc/group of the root. Anything there that is not a regular
// file of bearable length is an error.
Account find_account_in_root(int root_fd, const std::string& user,
                             const std::vector<std::string>& more_groups);

}  // namespace fastlayers::run
