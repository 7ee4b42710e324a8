#include "base/error.hpp"
#include "bindings/bindings.hpp"

namespace fastlayers::bindings {

namespace {

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::digest_mismatch:
      return "digest_mismatch";
    case ErrorKind::traversal:
      return "traversal";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::limit:
      return "limit";
    case ErrorKind::system:
      return "system";
    case ErrorKind::command_not_found:
      return "command_not_found";
    case ErrorKind::not_executable:
      return "not_executable";
  }
  return "system";
}

void translate(std::exception_ptr pending) {
  try {
    if (pending) std::rethrow_exception(pending);
  } catch (const Error& error) {
    // Names in messages are bytes from outside: what is not UTF-8 is shown escaped.
    const std::string_view text = error.what();
    const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
    const auto exception =
        py::module_::import("fastlayers.errors")
            .attr("from_core")(kind_name(error.kind()), message, error.errno_value());
    PyErr_SetObject(py::type::handle_of(exception).ptr(), exception.ptr());
  }
}

}  // namespace

void register_errors(py::module_&) { py::register_exception_translator(&translate); }

layer::Stack to_stack(const DiffIds& diff_ids) {
  layer::Stack stack;
  stack.reserve(diff_ids.size());
  for (const auto& id : diff_ids) stack.push_back(digest::DiffId::parse(id));
  return stack;
}

Bytes bytes_of(const py::buffer_info& info) {
  return {static_cast<const std::byte*>(info.ptr),
          static_cast<std::size_t>(info.size * info.itemsize)};
}

void check_signals() {
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace fastlayers::bindings
