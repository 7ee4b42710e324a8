// What the binding files share: one register function per part, and conversions.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "base/io.hpp"
#include "layer/chain.hpp"

namespace fastlayers::bindings {

namespace py = pybind11;

void register_errors(py::module_& module);
void register_blob(py::module_& module);
void register_layer(py::module_& module);
void register_table(py::module_& module);
void register_mount(py::module_& module);
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
