// Step: how far a container's process came before it failed to execute its command. Needs nothing
// but the compiler: the porter includes it.
#pragma once

namespace fastlayers::run {

enum class Step {
  descriptors,
  session,
  stdio,
  terminal,
  keyring,
  identity,
  parent,
  limits,
  confinement,
  search,
  execute
};

struct Failure {
  Step step;
  int error;
};

inline constexpr int kReport = 3;  // the porter's descriptor for a Failure

}  // namespace fastlayers::run
