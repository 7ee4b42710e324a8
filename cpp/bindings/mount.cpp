#include "bindings/bindings.hpp"
#include "mount/root.hpp"
#include "mount/stack_root.hpp"
#include "sys/probe.hpp"

namespace fastlayers::bindings {

namespace {

void prepare_chain(const std::string& root, const DiffIds& diff_ids, const std::string& backend) {
  const py::gil_scoped_release release;
  mount::prepare(layer::ChainStore(root), to_stack(diff_ids), mount::parse_backend(backend));
}

void mount_image(const std::string& root, const DiffIds& diff_ids, const std::string& backend,
                 const std::string& target) {
  const py::gil_scoped_release release;
  const mount::Root plan =
      mount::image_root(layer::ChainStore(root), to_stack(diff_ids), mount::parse_backend(backend));
  mount::move_to(mount::attach(plan), target);
}

void mount_container(const std::string& root, const DiffIds& diff_ids, const std::string& backend,
                     const std::string& directory, const std::string& target, bool read_only) {
  const py::gil_scoped_release release;
  const mount::Root plan =
      mount::container_root(layer::ChainStore(root), to_stack(diff_ids),
                            mount::parse_backend(backend), directory, read_only);
  mount::move_to(mount::attach(plan), target);
}

py::dict probe(const std::string& directory) {
  sys::Probe result;
  {
    const py::gil_scoped_release release;
    result = sys::probe(directory);
  }
  const auto answer = [](const sys::Answer& a) { return py::make_tuple(a.yes, a.why); };
  py::dict answers;
  answers["erofs_file"] = answer(result.erofs_file);
  answers["erofs_loop"] = answer(result.erofs_loop);
  answers["overlay"] = answer(result.overlay);
  return answers;
}

}  // namespace

void register_mount(py::module_& module) {
  module.def("probe", &probe);
  module.def("prepare_chain", &prepare_chain);
  module.def("root_owner", [](const std::string& root, const DiffIds& diff_ids) {
    const layer::RootOwner owner = layer::ChainStore(root).root_owner(to_stack(diff_ids));
    return std::make_tuple(owner.mode, owner.uid, owner.gid);
  });
  module.def("mount_image", &mount_image);
  module.def("mount_container", &mount_container);
  module.def("unmount", [](const std::string& target) {
    const py::gil_scoped_release release;
    mount::detach(target);
  });
}

}  // namespace fastlayers::bindings
