#include "run/copy.hpp"

#include <utility>

#include "bindings/bindings.hpp"
#include "bindings/launch_spec.hpp"
#include "run/container_root.hpp"
#include "run/copy_stream.hpp"
#include "sys/file.hpp"

namespace fastlayers::bindings {

namespace {

// A container as the store names it, or (with an open root) one that runs.
struct PyCopyPlace {
  const PyLaunchSpec* spec;
  int root_fd;
  std::string name;
  std::string path;
};

using Copy = std::function<std::uint64_t(const run::CopyEnd& inside, const run::Check& check)>;

std::uint64_t copy_at(const PyCopyPlace& place, const Copy& copy) {
  const py::gil_scoped_release release;
  return run::run_watched(
      [&](const run::Check& check) {
        std::uint64_t bytes = 0;
        const auto work = [&](int root_fd) {
          bytes = copy({root_fd, place.path, place.name}, check);
        };
        if (place.spec == nullptr) {
          work(place.root_fd);
        } else {
          run::with_root(to_spec(*place.spec), work);
        }
        return bytes;
      },
      check_signals);
}

std::uint64_t copy_out(const PyLaunchSpec* spec, int root_fd, const std::string& name,
                       const std::string& path, const std::string& target, bool follow_link,
                       bool keep_owners) {
  return copy_at(
      {spec, root_fd, name, path}, [&](const run::CopyEnd& inside, const run::Check& check) {
        const sys::Fd host = sys::open("/", O_PATH | O_DIRECTORY);
        return run::copy_tree(inside, {host.get(), target, ""}, {follow_link, keep_owners}, check);
      });
}

std::uint64_t copy_in(const PyLaunchSpec* spec, int root_fd, const std::string& name,
                      const std::string& source, const std::string& path, bool follow_link,
                      bool keep_owners) {
  return copy_at(
      {spec, root_fd, name, path}, [&](const run::CopyEnd& inside, const run::Check& check) {
        const sys::Fd host = sys::open("/", O_PATH | O_DIRECTORY);
        return run::copy_tree({host.get(), source, ""}, inside, {follow_link, keep_owners}, check);
      });
}

std::uint64_t pack_out(const PyLaunchSpec* spec, int root_fd, const std::string& name,
                       const std::string& path, int fd, bool follow_link) {
  return copy_at({spec, root_fd, name, path},
                 [&](const run::CopyEnd& inside, const run::Check& check) {
                   run::StreamSink out(fd, check);
                   const std::uint64_t bytes = run::pack_tree(inside, follow_link, out);
                   out.flush();
                   return bytes;
                 });
}

std::uint64_t unpack_in(const PyLaunchSpec* spec, int root_fd, const std::string& name, int fd,
                        const std::string& path, bool keep_owners) {
  return copy_at({spec, root_fd, name, path},
                 [&](const run::CopyEnd& inside, const run::Check& check) {
                   run::StreamSource in(fd, check);
                   return run::unpack_tree(in, inside, {false, keep_owners}, check);
                 });
}

}  // namespace

void register_copy(py::module_& module) {
  module.def("copy_out", &copy_out, py::arg("spec"), py::arg("root_fd"), py::arg("name"),
             py::arg("path"), py::arg("target"), py::kw_only(), py::arg("follow_link"),
             py::arg("keep_owners"));
  module.def("copy_in", &copy_in, py::arg("spec"), py::arg("root_fd"), py::arg("name"),
             py::arg("source"), py::arg("path"), py::kw_only(), py::arg("follow_link"),
             py::arg("keep_owners"));
  module.def("pack_out", &pack_out, py::arg("spec"), py::arg("root_fd"), py::arg("name"),
             py::arg("path"), py::arg("fd"), py::kw_only(), py::arg("follow_link"));
  module.def("unpack_in", &unpack_in, py::arg("spec"), py::arg("root_fd"), py::arg("name"),
             py::arg("fd"), py::arg("path"), py::kw_only(), py::arg("keep_owners"));
}

}  // namespace fastlayers::bindings
