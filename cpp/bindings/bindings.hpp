// What the binding files share: one register function per part, and conversions.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "base/io.hpp"
#include "layer/chain.hpp"

// Names and arguments are bytes; Python's text for those that are not UTF-8 has surrogates in it
// (PEP 383). pybind11's own conversion would refuse them. In every file, or C++'s one-definition
// rule is broken.
template <>
struct pybind11::detail::type_caster<std::string> {
  PYBIND11_TYPE_CASTER(std::string, const_name("str"));

  bool load(handle source, bool /*convert*/) {
    if (PyUnicode_Check(source.ptr()) == 0) {
      return PyBytes_Check(source.ptr()) != 0 && take(source.ptr());
    }
    Py_ssize_t length = 0;
    if (const char* text = PyUnicode_AsUTF8AndSize(source.ptr(), &length); text != nullptr) {
      value.assign(text, static_cast<std::size_t>(length));
      return true;
    }
    PyErr_Clear();
    const auto raw = reinterpret_steal<object>(
        PyUnicode_AsEncodedString(source.ptr(), "utf-8", "surrogateescape"));
    if (raw) return take(raw.ptr());
    PyErr_Clear();
    return false;
  }

  static handle cast(const std::string& text, return_value_policy /*policy*/, handle /*parent*/) {
    PyObject* result =
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
    if (result == nullptr) throw error_already_set();
    return result;
  }

 private:
  bool take(PyObject* bytes) {
    value.assign(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes)));
    return true;
  }
};

namespace fastlayers::bindings {

namespace py = pybind11;

void register_errors(py::module_& module);
void register_blob(py::module_& module);
void register_layer(py::module_& module);
void register_table(py::module_& module);
void register_search(py::module_& module);
void register_mount(py::module_& module);
void register_copy(py::module_& module);
void register_diff(py::module_& module);
void register_run(py::module_& module);
void register_profile(py::module_& module);

using DiffIds = std::vector<std::string>;

layer::Stack to_stack(const DiffIds& diff_ids);

// The bytes of any contiguous Python buffer; valid while `info` lives.
Bytes bytes_of(const py::buffer_info& info);

// Throws if a signal (Ctrl-C) is waiting to be handled by Python; takes the GIL for it.
void check_signals();

}  // namespace fastlayers::bindings
