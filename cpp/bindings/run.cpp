#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "mount/stack_root.hpp"
#include "run/launch.hpp"

namespace fastlayers::bindings {

namespace {

using Bind = std::tuple<std::string, std::string, bool, bool>;

// run::LaunchSpec with the root as the store names it.
struct PyLaunchSpec {
  std::string root;
  DiffIds diff_ids;
  std::string backend = "erofs";
  std::string network = "host";
  std::vector<Bind> binds;
  bool discard = false;  // the container is removed when it ends
  run::LaunchSpec spec;
};

run::Network parse_network(const std::string& name) {
  if (name == "host") return run::Network::host;
  if (name == "none") return run::Network::none;
  throw Error(ErrorKind::invalid, "network " + name + " not found: use host or none");
}

std::pair<int, std::string> launch(const PyLaunchSpec& request,
                                   const std::function<void(int)>& started) {
  const py::gil_scoped_release release;
  run::LaunchSpec spec = request.spec;
  spec.network = parse_network(request.network);
  for (const auto& [source, target, read_only, copy_up] : request.binds) {
    spec.binds.push_back({source, target, read_only, copy_up});
  }
  spec.root = mount::container_root(layer::ChainStore(request.root), to_stack(request.diff_ids),
                                    mount::parse_backend(request.backend), spec.directory,
                                    false);  // made read-only when its mount points exist
  spec.root.volatile_upper = request.discard;
  const auto report = [&started](int pid) {
    const py::gil_scoped_acquire gil;
    if (started) started(pid);
  };
  const run::ExitStatus status = run::launch(spec, report);
  return {status.code, status.lost_output};
}

std::pair<int, std::string> execute_in(const PyLaunchSpec& request, int leader,
                                       const std::function<void(int)>& started) {
  const py::gil_scoped_release release;
  const auto report = [&started](int pid) {
    const py::gil_scoped_acquire gil;
    if (started) started(pid);
  };
  const run::ExitStatus status = run::execute_in(request.spec, leader, report);
  return {status.code, status.lost_output};
}

// A property that reaches into the inner spec.
template <class Owner, class T>
void field(py::class_<PyLaunchSpec>& type, const char* name, T Owner::*member) {
  type.def_property(
      name, [member](const PyLaunchSpec& s) { return s.spec.*member; },
      [member](PyLaunchSpec& s, T value) { s.spec.*member = std::move(value); });
}

}  // namespace

void register_run(py::module_& module) {
  py::class_<PyLaunchSpec> type(module, "LaunchSpec");
  type.def(py::init<>())
      .def_readwrite("root", &PyLaunchSpec::root)
      .def_readwrite("diff_ids", &PyLaunchSpec::diff_ids)
      .def_readwrite("backend", &PyLaunchSpec::backend)
      .def_readwrite("network", &PyLaunchSpec::network)
      .def_readwrite("binds", &PyLaunchSpec::binds)
      .def_readwrite("discard", &PyLaunchSpec::discard);
  field(type, "directory", &run::LaunchSpec::directory);
  field(type, "argv", &run::LaunchSpec::argv);
  field(type, "env", &run::LaunchSpec::env);
  field(type, "cgroups", &run::ProcessSpec::cgroups);
  field(type, "cwd", &run::LaunchSpec::cwd);
  field(type, "user", &run::LaunchSpec::user);
  field(type, "hostname", &run::LaunchSpec::hostname);
  field(type, "tty", &run::LaunchSpec::tty);
  field(type, "interactive", &run::LaunchSpec::interactive);
  field(type, "read_only", &run::LaunchSpec::read_only);
  field(type, "log", &run::LaunchSpec::log);
  field(type, "attach", &run::LaunchSpec::attach);
  field(type, "kill_with_parent", &run::LaunchSpec::kill_with_parent);
  field(type, "stdin_fd", &run::LaunchSpec::stdin_fd);
  field(type, "stdout_fd", &run::LaunchSpec::stdout_fd);
  field(type, "stderr_fd", &run::LaunchSpec::stderr_fd);
  module.def("launch", &launch, py::arg("spec"), py::arg("started") = nullptr);
  module.def("execute_in", &execute_in, py::arg("spec"), py::arg("leader"),
             py::arg("started") = nullptr);
}

}  // namespace fastlayers::bindings
