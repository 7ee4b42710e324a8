#include "run/relay.hpp"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "run/flow.hpp"
#include "sys/process.hpp"
#include "sys/stream.hpp"

namespace fastlayers::run {

namespace {

// After the end of a container its output is all there, except what a terminal is still pushing
// through a kernel worker.
constexpr int kTerminalGrace_ms = 100;

constexpr std::size_t kOwnWatches = 6;

class Loop {
 public:
  explicit Loop(const Relay& relay) : relay_(relay) {
    const ProcessSpec& spec = relay.spec;
    Streams& streams = relay.newborn.streams;
    const int in = spec.attach ? spec.stdin_fd : -1;
    const int out = spec.attach ? spec.stdout_fd : -1;
    const int err = spec.attach ? spec.stderr_fd : -1;
    terminal_fd_ = streams.terminal.get();
    if (streams.terminal) {
      host_terminal_ = host_terminal(spec);
      if (spec.interactive && (spec.attach || spec.served)) input_.emplace(in, terminal_fd_);
      outputs_[0].emplace(std::move(streams.terminal), out, relay.log, relay.audience,
                          LogStream::output);
    }
    if (streams.input) input_.emplace(in, std::move(streams.input));
    if (streams.output)
      outputs_[0].emplace(std::move(streams.output), out, relay.log, relay.audience,
                          LogStream::output);
    if (streams.error)
      outputs_[1].emplace(std::move(streams.error), err, relay.log, relay.audience,
                          LogStream::error);
  }

  void run() {
    resize();  // in case it changed while the container was being made
    while (!(exited_ && outputs_finished()) && !abandoned_) {
      relay_.audience.let_go_of_stalled();
      end_input_of_those_gone();
      std::vector<sys::Watch> watches(kOwnWatches);
      if (!exited_) watches[0] = {relay_.newborn.child.pidfd.get(), true, false, false};
      watches[1] = {relay_.signals.fd(), true, false, false};
      if (input_ && !exited_) watches[2] = input_->watch();
      const bool holds = relay_.audience.is_waiting();
      for (std::size_t i = 0; i < 2; ++i) {
        const bool reads = outputs_[i] && (outputs_[i]->holds_bytes() || !holds);
        if (reads && !outputs_[i]->finished()) watches[3 + i] = outputs_[i]->watch();
      }
      if (!exited_) watches[5] = {relay_.newborn.emulation.fd(), true, false, false};
      const bool takes_input = !input_ || input_->takes_more();
      relay_.audience.add_watches(watches, !exited_ && takes_input);
      const auto wait =
          sys::wait_ready(watches, holds ? relay_.audience.patience_left_ms() : timeout_ms());
      if (wait == sys::Wait::timed_out && !holds) return;
      if (wait == sys::Wait::ready) handle(watches);
    }
  }

  std::string lost() const {
    for (const auto& output : outputs_) {
      if (output && !output->lost().empty()) return output->lost();
    }
    return {};
  }

 private:
  bool outputs_finished() const {
    for (const auto& output : outputs_) {
      if (output && !output->finished()) return false;
    }
    return true;
  }

  // A descriptor of the container's output that was passed to somebody outside may stay open for
  // ever: after the end, what is not there at once is not waited for.
  int timeout_ms() const {
    if (!exited_) return -1;
    for (const auto& output : outputs_) {
      if (output && output->holds_bytes()) return -1;
    }
    return terminal_fd_ >= 0 ? kTerminalGrace_ms : 0;
  }

  void handle(const std::vector<sys::Watch>& watches) {
    if (watches[5].ready) relay_.newborn.emulation.step();
    if (watches[1].ready) take_signals();
    if (watches[2].ready) input_->step();
    serve(watches.data() + kOwnWatches);
    for (std::size_t i = 0; i < 2; ++i) {
      if (!watches[3 + i].ready || (!outputs_[i]->holds_bytes() && relay_.audience.is_waiting())) {
        continue;
      }
      outputs_[i]->step();
      // The descriptor goes with its flow; whoever types into a closed terminal is not heard.
      if (i == 0 && terminal_fd_ >= 0 && outputs_[0]->source_closed()) {
        input_.reset();
        terminal_fd_ = -1;
      }
    }
    if (watches[0].ready) exited_ = true;
  }

  void serve(const sys::Watch* watches) {
    Audience::Input input = relay_.audience.handle(watches);
    if (input.window && terminal_fd_ >= 0) {
      sys::set_window_size(terminal_fd_, input.window->rows, input.window->columns);
    }
    if (!input_) return;
    if (input_->takes_more()) input_->offer(std::move(input.bytes));
    if (input.end && relay_.spec.stdin_once) input_->end();
  }

  // Whoever typed into a pipe and went, by whatever way, has ended the input if there is only one.
  void end_input_of_those_gone() {
    if (!relay_.spec.stdin_once || terminal_fd_ >= 0 || !input_ || !input_->takes_more()) return;
    if (relay_.audience.take_departure()) input_->end();
  }

  void take_signals() {
    while (const auto signal = relay_.signals.next()) {
      if (sys::is_resize(*signal)) {
        resize();
      } else if (sys::is_continue(*signal)) {
        if (relay_.raw_mode != nullptr) relay_.raw_mode->apply_again();
        resize();
      } else if (exited_) {
        // Nobody left to pass it to: it can only mean us, waiting for a reader of our output.
        abandoned_ = abandoned_ || sys::is_termination(*signal);
      } else {
        const Newborn& newborn = relay_.newborn;
        sys::send_signal(newborn.leader ? newborn.leader : newborn.child.pidfd, *signal);
      }
    }
  }

  void resize() const {
    if (host_terminal_ >= 0 && terminal_fd_ >= 0) {
      sys::copy_window_size(host_terminal_, terminal_fd_);
    }
  }

  const Relay& relay_;
  int host_terminal_ = -1;
  int terminal_fd_ = -1;  // owned by its output flow
  std::optional<InputFlow> input_;
  std::array<std::optional<OutputFlow>, 2> outputs_;
  bool exited_ = false;
  bool abandoned_ = false;
};

}  // namespace

std::string relay_until_end(const Relay& relay) {
  Loop loop(relay);
  loop.run();
  return loop.lost();
}

}  // namespace fastlayers::run
