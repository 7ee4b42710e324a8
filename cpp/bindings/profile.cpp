#include "base/profile.hpp"

#include <new>
#include <optional>

#include "bindings/bindings.hpp"
#include "sys/shared_memory.hpp"

namespace fastlayers::bindings {

namespace {

// Never freed: threads that a command leaves behind may still hold timers.
ProfileCounters& counters() {
  static auto* const memory = new (sys::share_memory(sizeof(ProfileCounters))) ProfileCounters{};
  return *memory;
}

// A timer around a `with` block; enter and exit are on one thread.
class PyProfileTimer {
 public:
  explicit PyProfileTimer(const std::string& part) : part_(profile_part(part)) {}
  void enter() { timer_.emplace(part_); }
  void exit() { timer_.reset(); }
  void add_bytes(std::uint64_t bytes) {
    if (timer_) timer_->add_bytes(bytes);
  }

 private:
  ProfilePart part_;
  std::optional<ProfileTimer> timer_;
};

py::tuple stop() {
  const Profile profile = stop_profile();
  py::list parts;
  for (const auto& [name, busy_ns, calls, bytes] : profile.parts) {
    parts.append(py::make_tuple(std::string(name), busy_ns, calls, bytes));
  }
  return py::make_tuple(profile.wall_ns, parts);
}

}  // namespace

void register_profile(py::module_& module) {
  module.def("start_profile", [] { start_profile(counters()); });
  module.def("stop_profile", &stop);
  module.def(
      "add_to_profile",
      [](const std::string& part, std::uint64_t busy_ns, std::uint64_t bytes) {
        add_to_profile(profile_part(part), busy_ns, bytes);
      },
      py::arg("part"), py::arg("busy_ns"), py::arg("bytes") = 0);
  py::class_<PyProfileTimer>(module, "ProfileTimer")
      .def(py::init<const std::string&>())
      .def(
          "__enter__",
          [](PyProfileTimer& timer) -> PyProfileTimer& {
            timer.enter();
            return timer;
          },
          py::return_value_policy::reference)
      .def("__exit__", [](PyProfileTimer& timer, const py::args&) { timer.exit(); })
      .def("add_bytes", &PyProfileTimer::add_bytes);
}

}  // namespace fastlayers::bindings
