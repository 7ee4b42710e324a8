#include "run/identity.hpp"

#include <algorithm>
#include <cerrno>

namespace fastlayers::run {

namespace {

bool has(const Ids& ids, std::uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

int set_id(Ids& ids, std::uint32_t id, bool privileged) {
  if (id == kKeepId) return EINVAL;
  if (privileged) {
    ids.fill(id);
  } else if (id == ids[0] || id == ids[2]) {
    ids[1] = id;
  } else {
    return EPERM;
  }
  return 0;
}

int set_real_effective(Ids& ids, std::uint32_t real, std::uint32_t effective, bool privileged) {
  Ids next = ids;
  if (real != kKeepId) {
    if (!privileged && real != ids[0] && real != ids[1]) return EPERM;
    next[0] = real;
  }
  if (effective != kKeepId) {
    if (!privileged && !has(ids, effective)) return EPERM;
    next[1] = effective;
  }
  if (real != kKeepId || (effective != kKeepId && effective != ids[0])) next[2] = next[1];
  ids = next;
  return 0;
}

int set_all(Ids& ids, const Ids& wanted, bool privileged) {
  for (const std::uint32_t id : wanted) {
    if (id != kKeepId && !privileged && !has(ids, id)) return EPERM;
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (wanted[i] != kKeepId) ids[i] = wanted[i];
  }
  return 0;
}

}  // namespace fastlayers::run
