#include "table/table.hpp"

#include <memory>

#include "base/error.hpp"
#include "bindings/bindings.hpp"

namespace fastlayers::bindings {

namespace {

using table::Table;

// A part of a table's memory as a Python buffer; keeps the table alive.
struct TableBytes {
  std::shared_ptr<const Table> table;
  Bytes bytes;
};

py::memoryview view(const std::shared_ptr<const Table>& table, Bytes bytes) {
  return py::memoryview(py::cast(TableBytes{table, bytes}));
}

using SharedTable = std::shared_ptr<Table>;

}  // namespace

void register_table(py::module_& module) {
  py::class_<TableBytes>(module, "_TableBytes", py::buffer_protocol())
      .def_buffer([](TableBytes& part) {
        return py::buffer_info(const_cast<std::byte*>(part.bytes.data()), 1,
                               py::format_descriptor<std::uint8_t>::format(), 1,
                               {static_cast<py::ssize_t>(part.bytes.size())}, {1}, true);
      });
  py::class_<Table, SharedTable>(module, "Table")
      .def_property_readonly(
          "entries", [](const SharedTable& t) { return view(t, std::as_bytes(t->entries())); })
      .def_property_readonly("heap", [](const SharedTable& t) { return view(t, t->heap()); })
      .def_property_readonly("layers",
                             [](const SharedTable& t) {
                               std::vector<std::string> names;
                               for (const auto& id : t->layers()) names.push_back(id.str());
                               return names;
                             })
      .def("__len__", [](const SharedTable& t) { return t->size(); })
      .def("find", [](const SharedTable& t,
                      const py::bytes& path) { return t->find(std::string_view(path)); })
      .def("subtree_end", [](const SharedTable& t, std::size_t index) {
        if (index >= t->size()) throw Error(ErrorKind::invalid, "no such record");
        return t->subtree_end(index);
      });
  module.def("layer_table", [](const std::string& root, const std::string& diff_id) {
    const py::gil_scoped_release release;
    return std::make_shared<Table>(layer::LayerStore(root).table(digest::DiffId::parse(diff_id)));
  });
  module.def("merged_table", [](const std::string& root, const DiffIds& diff_ids) {
    const py::gil_scoped_release release;
    return std::make_shared<Table>(layer::ChainStore(root).merged(to_stack(diff_ids)));
  });
  module.def("layer_deltas", [](const std::string& root, const DiffIds& diff_ids) {
    const py::gil_scoped_release release;
    std::vector<SharedTable> shared;
    for (Table& delta : layer::ChainStore(root).deltas(to_stack(diff_ids))) {
      shared.push_back(std::make_shared<Table>(std::move(delta)));
    }
    return shared;
  });
}

}  // namespace fastlayers::bindings
