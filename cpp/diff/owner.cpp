#include "diff/owner.hpp"

#include <charconv>
#include <string_view>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/mount_api.hpp"
#include "sys/node.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::diff {

namespace {

constexpr std::int64_t kAsItWas = -1;

struct Noted {
  std::int64_t uid = kAsItWas;
  std::int64_t gid = kAsItWas;
};

std::int64_t parse(std::string_view text) {
  std::int64_t value = kAsItWas;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= 0 && value < 0xffffffff ? value : kAsItWas;
}

Noted read_note(int fd) {
  const auto text = sys::get_xattr(fd, kOwnerAttribute);
  const auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return {};
  const std::string_view both(*text);
  return {parse(both.substr(0, colon)), parse(both.substr(colon + 1))};
}

bool can_be_noted(unsigned mode) { return S_ISREG(mode) || S_ISDIR(mode); }

Noted find_note(const tree::Found& found) {
  if (!can_be_noted(found.status.st_mode)) return {};
  if (found.own_fd >= 0) return read_note(found.own_fd);
  return read_note(sys::open_at(found.directory_fd, found.name, O_PATH).get());
}

}  // namespace

void note_owner(int fd, std::uint32_t uid, std::uint32_t gid) {
  const unsigned mode = sys::stat_fd(fd).st_mode;
  if (!can_be_noted(mode)) return;
  Noted note = read_note(fd);
  if (uid != 0xffffffff) note.uid = uid;
  if (gid != 0xffffffff) note.gid = gid;
  const sys::Fd file = sys::open(sys::fd_path(fd), O_RDONLY | O_NONBLOCK);
  sys::set_xattr(file.get(), kOwnerAttribute,
                 std::to_string(note.uid) + ":" + std::to_string(note.gid));
}

tree::Found with_owner(const table::Table* below, tree::Found found) {
  if (!sys::has_single_id()) return found;
  const auto index = below == nullptr ? std::nullopt : below->find(found.path);
  found.status.st_uid = index ? (*below)[*index].uid : 0;
  found.status.st_gid = index ? (*below)[*index].gid : 0;
  const Noted note = find_note(found);
  if (note.uid >= 0) found.status.st_uid = static_cast<uid_t>(note.uid);
  if (note.gid >= 0) found.status.st_gid = static_cast<gid_t>(note.gid);
  return found;
}

}  // namespace fastlayers::diff
