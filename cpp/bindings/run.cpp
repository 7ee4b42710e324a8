#include <cstring>
#include <tuple>

#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "bindings/launch_spec.hpp"
#include "mount/stack_root.hpp"
#include "run/attachment.hpp"
#include "run/attendant.hpp"
#include "run/copy_stream.hpp"
#include "run/launch.hpp"
#include "run/porter.hpp"
#include "run/runtime.hpp"
#include "sys/device_filter.hpp"
#include "sys/namespace.hpp"
#include "sys/socket.hpp"
#include "sys/stream.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::bindings {

namespace {

run::Network parse_network(const std::string& name) {
  if (name == "host") return run::Network::host;
  if (name == "none") return run::Network::none;
  throw Error(ErrorKind::invalid, "network " + name + " not found: use host or none");
}

run::Ipc parse_ipc(const std::string& mode) {
  if (mode == "private") return run::Ipc::own;
  if (mode == "none") return run::Ipc::none;
  if (mode == "host") return run::Ipc::host;
  throw Error(ErrorKind::invalid, "IPC mode " + mode + ": use private, none or host");
}

using PyUlimit = std::tuple<int, std::uint64_t, std::uint64_t>;

void set_ulimits(PyLaunchSpec& request, const std::vector<PyUlimit>& ulimits) {
  for (const auto& [resource, soft, hard] : ulimits) {
    request.spec.ulimits.push_back({resource, soft, hard});
  }
}

using PyDevice =
    std::tuple<std::string, std::string, bool, unsigned, unsigned, unsigned, unsigned, unsigned>;

void set_devices(PyLaunchSpec& request, const std::vector<PyDevice>& devices) {
  for (const auto& [source, target, is_block, major, minor, mode, uid, gid] : devices) {
    request.spec.devices.push_back({source, target, is_block, major, minor, mode, uid, gid});
  }
}

std::pair<int, std::string> launch(const PyLaunchSpec& request,
                                   const std::function<void(int)>& started) {
  const py::gil_scoped_release release;
  const run::LaunchSpec spec = to_spec(request);
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

using PyReported = std::tuple<int, int, int>;

std::pair<int, std::string> launch_with_runtime(
    const PyLaunchSpec& request, const std::vector<std::string>& keeper, const py::bytes& config,
    unsigned uid, int report_fd, int receive_fd,
    const std::function<std::optional<PyReported>()>& receive,
    const std::function<void(int)>& started) {
  const run::RuntimeSpec runtime{keeper, std::string(config), uid, report_fd, receive_fd};
  const py::gil_scoped_release release;
  const run::LaunchSpec spec = to_spec(request);
  const auto take = [&receive]() -> std::optional<run::Reported> {
    const py::gil_scoped_acquire gil;
    const auto reported = receive();
    if (!reported) return std::nullopt;
    const auto [pid, pidfd, terminal] = *reported;
    return run::Reported{pid, sys::Fd(pidfd), sys::Fd(terminal)};
  };
  const auto report = [&started](int pid) {
    const py::gil_scoped_acquire gil;
    started(pid);
  };
  const run::ExitStatus status = run::launch_with_runtime(spec, runtime, take, report);
  return {status.code, status.lost_output};
}

py::tuple prepare_for_runtime(const PyLaunchSpec& request, bool find) {
  run::Prepared prepared;
  {
    const py::gil_scoped_release release;
    run::run_watched(
        [&](const run::Check&) {
          prepared = run::prepare_for_runtime(to_spec(request), find);
          return std::uint64_t{0};
        },
        check_signals);
  }
  const run::Account& account = prepared.account;
  return py::make_tuple(account.uid, account.gid, account.groups, prepared.environment,
                        prepared.candidates);
}

void restrict_devices(const std::string& group,
                      const std::vector<std::tuple<bool, unsigned, int, std::string>>& allowed) {
  std::vector<sys::DeviceRule> rules;
  for (const auto& [is_block, major, minor, access] : allowed) {
    const bool read = access.find('r') != std::string::npos;
    const bool write = access.find('w') != std::string::npos;
    rules.push_back({is_block, major, minor, read, write});
  }
  sys::restrict_devices(group, rules);
}

int spawn_attendant(const std::vector<std::string>& argv, int stdin_fd, int output_fd) {
  const py::gil_scoped_release release;
  return run::spawn_attendant(argv, stdin_fd, output_fd).pidfd.release();
}

int new_network() {
  const py::gil_scoped_release release;
  return sys::new_network().release();
}

std::pair<int, int> socket_pair() {
  auto [ours, theirs] = sys::socket_pair();
  return {ours.release(), theirs.release()};
}

int connect_to_audience(const std::string& directory) {
  return run::connect_to_audience(directory).release();
}

py::tuple attach(const run::AttachSpec& spec) {
  run::AttachEnd end;
  {
    const py::gil_scoped_release release;  // it is only descriptors that it works with
    end = run::attach(spec);
  }
  return py::make_tuple(end.exit_code, end.detached, end.refused, end.signal);
}

py::bytes to_bytes(const sys::FilterProgram& program) {
  return {reinterpret_cast<const char*>(program.data()), program.size() * sizeof(program[0])};
}

void set_confinement(PyLaunchSpec& request, std::uint64_t capabilities, bool no_new_privileges,
                     const py::bytes& filter, unsigned filter_flags) {
  const std::string_view bytes(filter);
  run::Confinement& confinement = request.spec.confinement;
  confinement.capabilities = capabilities;
  confinement.no_new_privileges = no_new_privileges;
  confinement.filter.resize(bytes.size() / sizeof(sys::FilterStep));
  if (!bytes.empty()) std::memcpy(confinement.filter.data(), bytes.data(), bytes.size());
  confinement.filter_flags = filter_flags;
}

py::bytes default_filter(std::uint64_t capabilities) {
  return to_bytes(seccomp::compile(seccomp::default_profile(capabilities)));
}

using PyCondition = std::tuple<unsigned, seccomp::Operator, std::uint64_t, std::uint64_t>;
using PyRule = std::tuple<std::vector<std::string>, std::uint32_t, std::vector<PyCondition>>;

py::bytes compile_filter(std::uint32_t default_answer,
                         const std::vector<std::string>& architectures,
                         const std::vector<PyRule>& rules) {
  seccomp::Profile profile;
  profile.default_answer = default_answer;
  profile.architectures.assign(architectures.begin(), architectures.end());
  for (const auto& [names, answer, conditions] : rules) {
    seccomp::Rule& rule = profile.rules.emplace_back();
    rule.names.assign(names.begin(), names.end());
    rule.answer = answer;
    for (const auto& [argument, operation, value, value_two] : conditions) {
      rule.conditions.push_back({argument, operation, value, value_two, false});
    }
  }
  return to_bytes(seccomp::compile(profile));
}

std::tuple<std::uint32_t, std::vector<std::string>, std::vector<PyRule>> default_profile(
    std::uint64_t capabilities) {
  const seccomp::Profile profile = seccomp::default_profile(capabilities);
  std::vector<PyRule> rules;
  for (const seccomp::Rule& rule : profile.rules) {
    std::vector<PyCondition> conditions;
    for (const auto& condition : rule.conditions) {
      conditions.emplace_back(condition.argument, condition.operation, condition.value,
                              condition.value_two);
    }
    rules.emplace_back(std::vector<std::string>(rule.names.begin(), rule.names.end()), rule.answer,
                       std::move(conditions));
  }
  return {profile.default_answer,
          std::vector<std::string>(profile.architectures.begin(), profile.architectures.end()),
          std::move(rules)};
}

// A property that reaches into the inner spec.
template <class Owner, class T>
void field(py::class_<PyLaunchSpec>& type, const char* name, T Owner::*member) {
  type.def_property(
      name, [member](const PyLaunchSpec& s) { return s.spec.*member; },
      [member](PyLaunchSpec& s, T value) { s.spec.*member = std::move(value); });
}

using IdRanges = std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>>;

std::vector<sys::IdRange> to_ranges(const IdRanges& tuples) {
  std::vector<sys::IdRange> ranges;
  for (const auto& [inside, outside, count] : tuples) ranges.push_back({inside, outside, count});
  return ranges;
}

}  // namespace

run::LaunchSpec to_spec(const PyLaunchSpec& request) {
  run::LaunchSpec spec = request.spec;
  spec.network = parse_network(request.network);
  spec.ipc = parse_ipc(request.ipc);
  const layer::ChainStore chains(request.root);
  const mount::Backend backend = mount::parse_backend(request.backend);
  for (const auto& [source, target, read_only, copy_up] : request.binds) {
    spec.binds.push_back({source, target, read_only, copy_up});
  }
  for (const auto& [target, options, read_only, executable, set_uid] : request.tmpfs) {
    spec.tmpfs.push_back({target, options, read_only, executable, set_uid});
  }
  for (const auto& [diff_ids, target] : request.images) {
    spec.images.push_back({mount::image_root(chains, to_stack(diff_ids), backend), target});
  }
  const layer::Stack stack = to_stack(request.diff_ids);
  // Of a container it is made read-only when its mount points exist.
  spec.root = spec.directory.empty()
                  ? mount::image_root(chains, stack, backend)
                  : mount::container_root(chains, stack, backend, spec.directory, false);
  spec.root.volatile_upper = request.discard;
  return spec;
}

void register_run(py::module_& module) {
  py::enum_<seccomp::Operator>(module, "SeccompOperator")
      .value("NE", seccomp::Operator::not_equal)
      .value("LT", seccomp::Operator::less)
      .value("LE", seccomp::Operator::less_equal)
      .value("EQ", seccomp::Operator::equal)
      .value("GE", seccomp::Operator::greater_equal)
      .value("GT", seccomp::Operator::greater)
      .value("MASKED_EQ", seccomp::Operator::masked_equal);
  module.def("compile_filter", &compile_filter, py::arg("default_answer"), py::arg("architectures"),
             py::arg("rules"));
  module.def("default_filter", &default_filter, py::arg("capabilities"));
  module.def("default_profile", &default_profile, py::arg("capabilities"));
  module.def("bounding_set", &sys::bounding_set);
  module.def("restrict_devices", &restrict_devices);
  module.def("enter_user_namespace", [](const IdRanges& uids, const IdRanges& gids) {
    sys::enter_user_namespace(to_ranges(uids), to_ranges(gids));
  });
  module.def("join_user_namespace", [](int process) {
    return sys::join_user_namespace(sys::duplicate_above_stdio(process));
  });
  module.def("in_initial_user_namespace", &sys::in_initial_user_namespace);
  module.def("has_single_id", &sys::has_single_id);
  py::class_<PyLaunchSpec> type(module, "LaunchSpec");
  type.def(py::init<>())
      .def_readwrite("root", &PyLaunchSpec::root)
      .def_readwrite("diff_ids", &PyLaunchSpec::diff_ids)
      .def_readwrite("backend", &PyLaunchSpec::backend)
      .def_readwrite("network", &PyLaunchSpec::network)
      .def_readwrite("ipc", &PyLaunchSpec::ipc)
      .def("set_ulimits", &set_ulimits, py::arg("ulimits"))
      .def("set_devices", &set_devices, py::arg("devices"))
      .def_readwrite("binds", &PyLaunchSpec::binds)
      .def_readwrite("tmpfs", &PyLaunchSpec::tmpfs)
      .def_readwrite("images", &PyLaunchSpec::images)
      .def("set_confinement", &set_confinement, py::arg("capabilities"),
           py::arg("no_new_privileges"), py::arg("filter"), py::arg("filter_flags"))
      .def_readwrite("discard", &PyLaunchSpec::discard);
  field(type, "directory", &run::LaunchSpec::directory);
  field(type, "argv", &run::LaunchSpec::argv);
  field(type, "env", &run::LaunchSpec::env);
  field(type, "cgroups", &run::ProcessSpec::cgroups);
  field(type, "cwd", &run::LaunchSpec::cwd);
  field(type, "user", &run::LaunchSpec::user);
  field(type, "domainname", &run::LaunchSpec::domainname);
  field(type, "groups", &run::ProcessSpec::groups);
  field(type, "host_pid", &run::LaunchSpec::host_pid);
  field(type, "host_uts", &run::LaunchSpec::host_uts);
  field(type, "init", &run::LaunchSpec::init);
  field(type, "oom_score_adj", &run::ProcessSpec::oom_score_adj);
  field(type, "sysctls", &run::LaunchSpec::sysctls);
  field(type, "hide_system", &run::LaunchSpec::hide_system);
  field(type, "hostname", &run::LaunchSpec::hostname);
  field(type, "network_fd", &run::LaunchSpec::network_fd);
  field(type, "tty", &run::LaunchSpec::tty);
  field(type, "interactive", &run::LaunchSpec::interactive);
  field(type, "privileged", &run::LaunchSpec::privileged);
  field(type, "read_only", &run::LaunchSpec::read_only);
  field(type, "shm_bytes", &run::LaunchSpec::shm_bytes);
  field(type, "log", &run::LaunchSpec::log);
  field(type, "attach", &run::LaunchSpec::attach);
  field(type, "kill_with_parent", &run::LaunchSpec::kill_with_parent);
  field(type, "stdin_fd", &run::LaunchSpec::stdin_fd);
  field(type, "stdout_fd", &run::LaunchSpec::stdout_fd);
  field(type, "stderr_fd", &run::LaunchSpec::stderr_fd);
  module.def("porter_program", [] {
    const Bytes program = run::porter_program();
    return py::bytes(reinterpret_cast<const char*>(program.data()), program.size());
  });
  module.def("new_network", &new_network);
  module.def("spawn_attendant", &spawn_attendant, py::arg("argv"), py::arg("stdin_fd"),
             py::arg("output_fd"));
  field(type, "served", &run::ProcessSpec::served);
  field(type, "client", &run::ProcessSpec::client);
  field(type, "stdin_once", &run::ProcessSpec::stdin_once);
  field(type, "rows", &run::ProcessSpec::rows);
  field(type, "columns", &run::ProcessSpec::columns);
  py::class_<run::AttachSpec>(module, "AttachSpec")
      .def(py::init<>())
      .def_readwrite("socket", &run::AttachSpec::socket)
      .def_readwrite("leader", &run::AttachSpec::leader)
      .def_readwrite("tty", &run::AttachSpec::tty)
      .def_readwrite("interactive", &run::AttachSpec::interactive)
      .def_readwrite("redraw", &run::AttachSpec::redraw)
      .def_property(
          "detach_keys", [](const run::AttachSpec& spec) { return py::bytes(spec.detach_keys); },
          [](run::AttachSpec& spec, const py::bytes& keys) { spec.detach_keys = keys; })
      .def_readwrite("stdin_fd", &run::AttachSpec::stdin_fd)
      .def_readwrite("stdout_fd", &run::AttachSpec::stdout_fd)
      .def_readwrite("stderr_fd", &run::AttachSpec::stderr_fd);
  module.def("attach", &attach, py::arg("spec"));
  module.def("socket_pair", &socket_pair);
  module.def("connect_to_audience", &connect_to_audience, py::arg("directory"));
  module.def("launch", &launch, py::arg("spec"), py::arg("started") = nullptr);
  module.def("launch_with_runtime", &launch_with_runtime, py::arg("spec"), py::arg("keeper"),
             py::arg("config"), py::arg("uid"), py::arg("report_fd"), py::arg("receive_fd"),
             py::arg("receive"), py::arg("started"));
  module.def("prepare_for_runtime", &prepare_for_runtime, py::arg("spec"), py::arg("find"));
  module.def("execute_in", &execute_in, py::arg("spec"), py::arg("leader"),
             py::arg("started") = nullptr);
}

}  // namespace fastlayers::bindings
