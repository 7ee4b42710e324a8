#include "mount/stack_root.hpp"

#include "base/error.hpp"
#include "base/profile.hpp"

namespace fastlayers::mount {

Backend parse_backend(const std::string& name) {
  if (name == "erofs") return Backend::erofs;
  if (name == "erofs-loop") return Backend::erofs_loop;
  if (name == "overlay") return Backend::overlay;
  throw Error(ErrorKind::invalid, "unknown backend " + name + ": use erofs or overlay");
}

Root image_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend) {
  Root root;
  root.read_only = true;
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

Root container_root(const layer::ChainStore& chains, const layer::Stack& stack, Backend backend,
                    const std::string& directory, bool read_only) {
  const ProfileTimer timer(ProfilePart::start);
  Root root = image_root(chains, stack, backend);
  if (std::string init = chains.init_directory(stack); !init.empty()) {
    root.lowers.push_back(Directory{std::move(init)});
  }
  root.upper = directory + "/upper";
  root.work = directory + "/work";
  root.read_only = read_only;
  return root;
}

}  // namespace fastlayers::mount
