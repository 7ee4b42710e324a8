#include "run/environment.hpp"

#include <unordered_map>

#include "base/error.hpp"

namespace fastlayers::run {

namespace {

class Builder {
 public:
  void set(std::string entry) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos || equals == 0 || entry.find('\0') != std::string::npos) {
      throw Error(ErrorKind::invalid, "invalid environment variable \"" +
                                          std::string(entry.c_str()) + "\": it must be NAME=VALUE");
    }
    const auto [place, is_new] = index_.try_emplace(entry.substr(0, equals), entries_.size());
    if (is_new) {
      entries_.push_back(std::move(entry));
    } else {
      entries_[place->second] = std::move(entry);
    }
  }

  bool has(const std::string& name) const { return index_.contains(name); }
  std::vector<std::string> take() { return std::move(entries_); }

 private:
  std::vector<std::string> entries_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

std::vector<std::string> make_environment(const std::vector<std::string>& wanted,
                                          const EnvironmentDefaults& defaults) {
  Builder builder;
  builder.set("PATH=" + std::string(kDefaultPath));
  builder.set("HOSTNAME=" + defaults.hostname);
  if (defaults.tty) builder.set("TERM=xterm");
  for (const auto& entry : wanted) builder.set(entry);
  if (!builder.has("HOME")) builder.set("HOME=" + defaults.home);
  return builder.take();
}

std::string_view value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string_view entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return entry.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace fastlayers::run
