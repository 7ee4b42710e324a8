// Root emulation: what lets package managers work where there is one id only.
//
// What asks for or changes identities waits for an answer from here, where it is kept who each
// process believes to be: many look whether they have become who they wanted to be. Who gives a
// file away has it noted (diff/owner.hpp). To make a device succeeds and does nothing: the filter
// says so itself.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "run/identity.hpp"
#include "sys/fd.hpp"
#include "sys/seccomp_listener.hpp"

namespace fastlayers::run {

// The filter; it goes below the container's own one, which may still refuse these calls.
sys::FilterProgram emulation_filter();

class RootEmulation {
 public:
  // `first` is who the processes are that have not changed and whose parents have not.
  RootEmulation(sys::Fd listener, Identity first);

  int fd() const { return listener_.get(); }  // -1: nobody asks; readable when somebody does
  void step();                                // it was readable
  // Leaves it to a process of its own to answer those that live on, as long as any does.
  void outlive_caller();

 private:
  struct Known {
    std::uint64_t started;  // of the thread, which tells it from a later one of that number
    Identity identity;
  };

  Identity& identity_of(int thread);
  void forget_dead();
  void answer(const sys::WaitingCall& call);

  sys::Fd listener_;
  Identity first_;
  std::unordered_map<int, Known> known_;
};

}  // namespace fastlayers::run
