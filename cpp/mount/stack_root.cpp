#include "mount/stack_root.hpp"

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/profile.hpp"
#include "mount/copied_root.hpp"
#include "sys/file.hpp"

namespace fastlayers::mount {

Backend parse_backend(const std::string& name) {
  if (name == "erofs") return Backend::erofs;
  if (name == "erofs-loop") return Backend::erofs_loop;
  if (name == "overlay") return Backend::overlay;
  if (name == "copy") return Backend::copy;
  throw Error(ErrorKind::invalid, "unknown backend " + name + ": use erofs, overlay or copy");
}

namespace {

constexpr std::uint64_t kFrozenBytes = 1 << 20;
constexpr std::size_t kIdDigits = 32;

// The frozen upper directories of a container, base first.
std::vector<Lower> frozen_uppers(const std::string& directory) {
  const std::string path = directory + "/frozen";
  std::vector<Lower> uppers;
  if (!sys::exists(path)) return uppers;
  const std::string text = sys::read_file(path, kFrozenBytes);
  const auto damaged = [&] {
    return Error(ErrorKind::corrupt, path + " is damaged; what it named is in uppers/");
  };
  // Power that failed may leave it empty, which it never is.
  if (text.empty() || text.back() != '\n') throw damaged();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string id = text.substr(at, end - at);
    if (id.size() != kIdDigits || id.find_first_not_of("0123456789abcdef") != std::string::npos)
      throw damaged();
    uppers.push_back(Directory{directory + "/../../uppers/" + id + "/upper"});
    at = end + 1;
  }
  return uppers;
}

}  // namespace

Root image_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend) {
  Root root;
  root.read_only = true;
  if (backend == Backend::copy) {
    root.lowers.push_back(Directory{chains.whole_directory(stack)});
    return root;
  }
  if (backend == Backend::overlay) {
    for (auto& path : chains.directories(stack)) root.lowers.push_back(Directory{std::move(path)});
    return root;
  }
  for (auto& part : chains.erofs_parts(stack)) {
    root.lowers.push_back(
        ErofsIndex{std::move(part.index), std::move(part.devices), backend == Backend::erofs_loop});
  }
  return root;
}

void prepare(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend) {
  if (backend == Backend::copy) {
    chains.merged(stack);
  } else {
    image_root(chains, stack, backend);
  }
}

Root container_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend,
                    const std::string& directory, bool read_only) {
  const ProfileTimer timer(ProfilePart::start);
  if (backend == Backend::copy) {
    copy_root(chains, stack, directory);
    Root copy;
    copy.upper = directory + "/upper";
    copy.read_only = read_only;
    return copy;
  }
  refuse_copied_root(directory);
  Root root = image_root(chains, stack, backend);
  if (std::string init = chains.init_directory(stack); !init.empty()) {
    root.lowers.push_back(Directory{std::move(init)});
  }
  for (auto& upper : frozen_uppers(directory)) root.lowers.push_back(std::move(upper));
  root.upper = directory + "/upper";
  root.work = directory + "/work";
  root.read_only = read_only;
  return root;
}

}  // namespace fastlayers::mount
