#include "run/audience.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"

namespace fastlayers::run {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Audience::Audience(std::string directory, sys::Fd first, int patience_ms)
    : directory_(std::move(directory)), patience_ms_(patience_ms) {
  if (!directory_.empty()) listener_ = sys::listen_in(directory_, kAttachSocket);
  if (first) members_.emplace_back().socket = std::move(first);
}

Audience::~Audience() {
  if (!listener_) return;
  try {
    sys::unlink(directory_ + "/" + kAttachSocket);
  } catch (const Error&) {
    // Nobody listens any more: whoever connects learns the same.
  }
}

void Audience::send(LogStream stream, Bytes bytes) {
  for (Member& member : members_) {
    deliver(member, stream == LogStream::error ? 'e' : 'o', bytes);
  }
  forget_those_gone();
}

void Audience::deliver(Member& member, char kind, Bytes bytes) {
  if (member.kept.empty()) {
    const auto result = sys::try_send(member.socket.get(), kind, bytes);
    if (result.error != 0) member.socket.close();
    if (result.count > 0 || result.error != 0) return;
    member.since = Clock::now();
  }
  member.kept.push_back({kind, {bytes.begin(), bytes.end()}});
  member.kept_bytes += bytes.size() + 1;
}

void Audience::flush(Member& member) {
  while (!member.kept.empty()) {
    const Message& message = member.kept.front();
    const auto result = sys::try_send(member.socket.get(), message.kind, message.bytes);
    if (result.error != 0) member.socket.close();
    if (result.count == 0) return;
    member.since = Clock::now();
    member.kept_bytes -= message.bytes.size() + 1;
    member.kept.pop_front();
  }
}

void Audience::forget_those_gone() {
  std::erase_if(members_, [this](const Member& member) {
    if (member.socket) return false;
    typist_left_ = typist_left_ || member.types;
    out_of_descriptors_ = false;
    return true;
  });
}

bool Audience::is_waiting() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const Member& member) { return member.kept_bytes >= kKeptBytes; });
}

int Audience::patience_left_ms() const { return patience_left_ms(kKeptBytes); }

int Audience::patience_left_ms(std::size_t least_kept_bytes) const {
  auto first = Clock::now();
  for (const Member& member : members_) {
    if (member.kept_bytes >= least_kept_bytes) first = std::min(first, member.since);
  }
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - first);
  return std::clamp(patience_ms_ - static_cast<int>(passed.count()), 0, patience_ms_);
}

void Audience::let_go_of_stalled() { let_go_of_stalled(kKeptBytes); }

void Audience::let_go_of_stalled(std::size_t least_kept_bytes) {
  const auto now = Clock::now();
  for (Member& member : members_) {
    if (member.kept_bytes >= least_kept_bytes &&
        now - member.since >= std::chrono::milliseconds(patience_ms_)) {
      member.socket.close();
    }
  }
  forget_those_gone();
}

void Audience::add_watches(std::vector<sys::Watch>& watches, bool wants_input) const {
  watches.push_back({out_of_descriptors_ ? -1 : listener_.get(), true, false, false});
  for (const Member& member : members_) {
    const bool writes = !member.kept.empty();
    watches.push_back(
        {writes || wants_input ? member.socket.get() : -1, wants_input, writes, false});
  }
}

Audience::Input Audience::handle(const sys::Watch* watches) {
  Input input;
  const std::size_t count = members_.size();
  std::size_t taken = count;  // whose message was
  for (std::size_t i = 0; i < count; ++i) {
    Member& member = members_[i];
    const sys::Watch& watch = watches[1 + i];
    if (!watch.ready) continue;
    flush(member);
    if (!watch.read || taken < count || !member.socket) continue;
    std::vector<std::byte> message(kMessageBytes + 1);
    const auto size = sys::try_receive(member.socket.get(), message);
    if (!size) continue;
    if (*size == 0) {
      member.socket.close();
      continue;
    }
    taken = i;
    message.resize(*size);
    const char kind = static_cast<char>(message.front());
    message.erase(message.begin());
    member.types = member.types || kind == 'i';
    if (kind == 'i') input.bytes = std::move(message);
    if (kind == 'q') input.end = true;
    if (kind == 'r' && message.size() == sizeof(WindowSize)) {
      std::memcpy(&input.window.emplace(), message.data(), sizeof(WindowSize));
    }
  }
  // The next message is another's, if there is one.
  if (taken < count) std::rotate(members_.begin(), members_.begin() + 1 + taken, members_.end());
  if (watches[0].ready) admit();
  forget_those_gone();
  return input;
}

void Audience::admit() {
  auto socket = sys::accept_from(listener_, out_of_descriptors_);
  if (!socket) return;
  if (members_.size() < kMostMembers) {
    members_.emplace_back().socket = std::move(*socket);
  } else {
    sys::try_send(socket->get(), 'f', {});
  }
}

bool Audience::take_departure() { return std::exchange(typist_left_, false); }

void Audience::finish(int exit_code) {
  std::array<std::byte, sizeof(int)> code{};
  std::memcpy(code.data(), &exit_code, sizeof(int));
  // Those who were about to come are told as well.
  for (std::size_t before = 0; listener_ && before < kMostMembers;) {
    before = members_.size();
    admit();
    if (members_.size() == before) break;
  }
  for (Member& member : members_) deliver(member, 'x', code);
  while (true) {
    // Whoever has taken all is done with.
    std::erase_if(members_, [](const Member& member) { return member.kept.empty(); });
    if (members_.empty()) return;
    std::vector<sys::Watch> watches;
    for (const Member& member : members_) {
      watches.push_back({member.socket.get(), false, true, false});
    }
    sys::wait_ready(watches, patience_left_ms(1));
    for (std::size_t i = 0; i < watches.size(); ++i) {
      if (watches[i].ready) flush(members_[i]);
    }
    let_go_of_stalled(1);
  }
}

}  // namespace fastlayers::run
