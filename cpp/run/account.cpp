#include "run/account.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace fastlayers::run {

namespace {

constexpr std::uint64_t kMaxId = 2147483647;  // as Docker; beyond it 32-bit code goes wrong
constexpr std::size_t kMaxFileBytes = 16 << 20;
constexpr std::size_t kMaxGroups = 65536;  // NGROUPS_MAX

struct User {
  std::string_view name;
  unsigned uid = 0;
  unsigned gid = 0;
  std::string_view home;
};

bool looks_numeric(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<unsigned> parse_id(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMaxId) {
    return std::nullopt;
  }
  return static_cast<unsigned>(value);
}

// A number given by the caller: in range, or an error.
unsigned require_id(std::string_view text) {
  if (const auto id = parse_id(text)) return *id;
  throw Error(ErrorKind::invalid,
              "uids and gids must be in range 0-2147483647, not \"" + std::string(text) + "\"");
}

// Calls `take(fields)` for each line until it returns false. At most N fields; the last one keeps
// what follows.
template <std::size_t N>
void for_each_line(std::string_view text,
                   const std::function<bool(const std::array<std::string_view, N>&)>& take) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    std::array<std::string_view, N> fields;
    for (auto& field : fields) {
      const auto colon = std::min(line.find(':'), line.size());
      field = line.substr(0, colon);
      line.remove_prefix(std::min(colon + 1, line.size()));
    }
    if (!take(fields)) return;
  }
}

template <class Matches>
std::optional<User> first_user(std::string_view passwd, Matches matches) {
  std::optional<User> found;
  for_each_line<7>(passwd, [&](const auto& field) {
    const auto uid = parse_id(field[2]);
    const auto gid = parse_id(field[3]);
    if (field[0].empty() || !uid || !gid || !matches(field[0], *uid)) return true;
    found = User{field[0], *uid, *gid, field[5]};
    return false;
  });
  return found;
}

bool lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    const auto comma = std::min(members.find(','), members.size());
    if (members.substr(0, comma) == name) return true;
    members.remove_prefix(std::min(comma + 1, members.size()));
  }
  return false;
}

unsigned find_group(std::string_view wanted, std::string_view group) {
  if (looks_numeric(wanted)) return require_id(wanted);
  std::optional<unsigned> found;
  for_each_line<4>(group, [&](const auto& field) {
    if (field[0] == wanted) found = parse_id(field[2]);
    return !found;
  });
  if (found) return *found;
  throw Error(ErrorKind::invalid, "unable to find group " + std::string(wanted) +
                                      ": no matching entries in group file");
}

void add_groups_of(std::string_view name, std::string_view group, std::vector<unsigned>& groups) {
  for_each_line<4>(group, [&](const auto& field) {
    const auto gid = parse_id(field[2]);
    if (field[0].empty() || !gid || !lists(field[3], name)) return true;
    if (groups.size() == kMaxGroups) {
      throw Error(ErrorKind::limit,
                  "user " + std::string(name) + " is in more than 65536 groups of the group file");
    }
    groups.push_back(*gid);
    return true;
  });
  std::sort(groups.begin() + 1, groups.end());
  groups.erase(std::unique(groups.begin() + 1, groups.end()), groups.end());
}

// "" where the root has no such file.
std::string read_in_root(int root_fd, const std::string& path) {
  // Looked at before it is opened: opening a device or a fifo could do something or block.
  const auto place = sys::try_open_in_root(root_fd, path, O_PATH);
  if (!place) return {};
  if (!S_ISREG(sys::stat_fd(place->get()).st_mode)) {
    throw Error(ErrorKind::invalid, "the image's " + path + " is not a regular file");
  }
  const auto file = sys::open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  std::string text;
  std::vector<std::byte> buffer(65536);
  while (const std::size_t count = sys::read_some(file.get(), buffer)) {
    if (text.size() + count > kMaxFileBytes) {
      throw Error(ErrorKind::limit, "the image's " + path + " is longer than 16 MiB");
    }
    text.append(as_text({buffer.data(), count}));
  }
  return text;
}

}  // namespace

Account find_account(const std::string& user, std::string_view passwd, std::string_view group,
                     const std::vector<std::string>& more_groups) {
  const auto colon = std::min(user.find(':'), user.size());
  const std::string_view wanted = std::string_view(user).substr(0, colon);
  const std::string_view wanted_group =
      std::string_view(user).substr(std::min(colon + 1, user.size()));

  Account account;
  std::optional<User> entry;
  if (wanted.empty() || looks_numeric(wanted)) {
    account.uid = wanted.empty() ? 0 : require_id(wanted);
    entry = first_user(passwd, [&](auto, unsigned uid) { return uid == account.uid; });
  } else {
    entry = first_user(passwd, [&](auto name, unsigned) { return name == wanted; });
    if (!entry) {
      throw Error(ErrorKind::invalid, "unable to find user " + std::string(wanted) +
                                          ": no matching entries in passwd file");
    }
  }
  if (entry) {
    account.uid = entry->uid;
    account.gid = entry->gid;
    if (!entry->home.empty()) account.home = entry->home;
  }
  if (!wanted_group.empty()) account.gid = find_group(wanted_group, group);
  account.groups = {account.gid};
  if (entry && wanted_group.empty()) add_groups_of(entry->name, group, account.groups);
  for (const auto& name : more_groups) account.groups.push_back(find_group(name, group));
  return account;
}

Account find_account_in_root(int root_fd, const std::string& user,
                             const std::vector<std::string>& more_groups) {
  const std::string passwd = read_in_root(root_fd, "/etc/passwd");
  // Only needed for names: most images run as root, whose groups matter as well.
  const std::string group = read_in_root(root_fd, "/etc/group");
  return find_account(user, passwd, group, more_groups);
}

}  // namespace fastlayers::run
