// Audience: those who are attached to the streams of a process that runs in the background.
//
// They come through a socket in the container's directory, which nobody but its owner can enter, or
// were there from the start. Each gets all output from then on, and what any of them types is
// input. Messages on the socket are a byte that says what they are, and what belongs to it:
//
//   from the process  'o', 'e'  bytes of standard output (or the terminal) and of standard error
//                     'x'       its exit code, an int: it has ended, and nothing follows
//                     'f'       there are kMostMembers already, and nothing follows
//   to the process    'i'       input, perhaps none yet;  'q': its end
//                     'r'       two u16, rows and columns of the window
//
// What one has yet to read is kept here, up to kKeptBytes, while the others and the log go on. From
// there on no more output is taken from the process, so that a slow terminal loses nothing; but
// after `patience_ms` without a message taken he is let go, and the process goes on. (Docker's
// daemon keeps as much and then waits for ever: a client that is stopped stops the container.)
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/io.hpp"
#include "run/log.hpp"
#include "sys/fd.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

inline constexpr const char* kAttachSocket = "attach";  // in containers/<id>
inline constexpr std::size_t kMessageBytes = 65536;     // of a message, without its kind
inline constexpr std::size_t kKeptBytes = 1 << 20;      // and a message, of a member
inline constexpr std::size_t kMostMembers = 32;
inline constexpr int kPatience_ms = 5000;

struct WindowSize {
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
};

class Audience {
 public:
  Audience() = default;  // none, for ever
  // `directory`: where to listen, or "". `first`: a socket of one who is there already, or none.
  Audience(std::string directory, sys::Fd first, int patience_ms = kPatience_ms);
  Audience(Audience&&) = default;
  Audience& operator=(Audience&&) = default;
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;
  ~Audience();

  // What they send, for the one who feeds the process.
  struct Input {
    std::vector<std::byte> bytes;
    bool end = false;
    std::optional<WindowSize> window;
  };

  bool is_empty() const { return members_.empty(); }
  void send(LogStream stream, Bytes bytes);  // not while is_waiting()
  bool is_waiting() const;                   // for one who has to take what is kept for him
  int patience_left_ms() const;              // while is_waiting()
  void let_go_of_stalled();

  // What is to be watched: for input only if that is wanted.
  void add_watches(std::vector<sys::Watch>& watches, bool wants_input) const;
  // Behind wait_ready(): `watches` are those of add_watches(). At most one message is taken.
  Input handle(const sys::Watch* watches);
  bool take_departure();  // whether one who had to do with the input went since it was asked last
  // The last word. Waits for those who have yet to take what they were sent, as long as above.
  void finish(int exit_code);

 private:
  struct Message {
    char kind = 0;
    std::vector<std::byte> bytes;
  };
  struct Member {
    sys::Fd socket;
    bool types = false;
    std::deque<Message> kept;
    std::size_t kept_bytes = 0;
    std::chrono::steady_clock::time_point since;  // he took one, or there was one to be taken
  };

  void deliver(Member& member, char kind, Bytes bytes);
  void flush(Member& member);
  void forget_those_gone();
  void let_go_of_stalled(std::size_t least_kept_bytes);
  int patience_left_ms(std::size_t least_kept_bytes) const;
  void admit();

  std::string directory_;
  sys::Fd listener_;
  int patience_ms_ = kPatience_ms;
  std::vector<Member> members_;
  bool typist_left_ = false;
  bool out_of_descriptors_ = false;  // until a member goes, nobody else can come
};

}  // namespace fastlayers::run
