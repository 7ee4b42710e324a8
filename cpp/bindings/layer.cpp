#include "bindings/bindings.hpp"
#include "layer/ingest.hpp"

namespace fastlayers::bindings {

namespace {

using layer::LayerInfo;

const char* name_of(codec::Compression compression) {
  switch (compression) {
    case codec::Compression::gzip:
      return "gzip";
    case codec::Compression::zstd:
      return "zstd";
    case codec::Compression::none:
      break;
  }
  return "none";
}

layer::Expected expected_of(const std::string& digest, std::int64_t size,
                            const std::string& diff_id) {
  layer::Expected expected;
  if (!digest.empty()) expected.digest = digest::Digest::parse(digest);
  if (size >= 0) expected.size = static_cast<std::uint64_t>(size);
  if (!diff_id.empty()) expected.diff_id = digest::DiffId::parse(diff_id);
  return expected;
}

// One blob arriving from Python; the GIL is released because the pipeline may make us wait.
class PyIngest {
 public:
  PyIngest(const std::string& root, const std::string& digest, std::int64_t size,
           const std::string& diff_id, bool partial)
      : ingest_(root, expected_of(digest, size, diff_id), partial) {}

  std::uint64_t resume(const std::function<void(std::uint64_t)>& on_bytes) {
    const py::gil_scoped_release release;
    return ingest_.resume([&on_bytes](std::uint64_t done) {
      check_signals();
      if (on_bytes) {
        const py::gil_scoped_acquire gil;
        on_bytes(done);
      }
    });
  }

  void write(const py::buffer& data) {
    const py::buffer_info info = data.request();
    const py::gil_scoped_release release;
    ingest_.write(bytes_of(info));
  }
  LayerInfo finish() {
    const py::gil_scoped_release release;
    return ingest_.finish();
  }
  void abort(bool discard) {
    const py::gil_scoped_release release;
    ingest_.abort(discard);
  }

 private:
  layer::Ingest ingest_;
};

LayerInfo ingest_fd(const std::string& root, int fd, std::int64_t offset, std::int64_t size,
                    const std::string& digest, const std::string& diff_id,
                    const std::function<void(std::uint64_t)>& on_bytes) {
  const py::gil_scoped_release release;
  std::optional<std::uint64_t> from;
  std::optional<std::uint64_t> length;
  if (offset >= 0) from = static_cast<std::uint64_t>(offset);
  if (size >= 0) length = static_cast<std::uint64_t>(size);
  const auto between = [&on_bytes](std::uint64_t done) {
    check_signals();
    if (on_bytes) {
      const py::gil_scoped_acquire gil;
      on_bytes(done);
    }
  };
  return layer::ingest_fd(root, expected_of(digest, -1, diff_id), fd, from, length, between);
}

// From a blob that is in the store already.
LayerInfo ingest_blob(const std::string& root, const std::string& digest,
                      const std::string& diff_id,
                      const std::function<void(std::uint64_t)>& on_bytes) {
  const sys::Fd file = blob::BlobStore(root).open(digest::Digest::parse(digest).hash);
  const auto size = static_cast<std::int64_t>(sys::file_size(file.get()));
  return ingest_fd(root, file.get(), 0, size, digest, diff_id, on_bytes);
}

}  // namespace

void register_layer(py::module_& module) {
  py::class_<LayerInfo>(module, "LayerInfo")
      .def_property_readonly("digest", [](const LayerInfo& i) { return i.digest.str(); })
      .def_readonly("size", &LayerInfo::size)
      .def_property_readonly("diff_id", [](const LayerInfo& i) { return i.diff_id.str(); })
      .def_readonly("tar_size", &LayerInfo::tar_size)
      .def_property_readonly("compression",
                             [](const LayerInfo& i) { return name_of(i.compression); })
      .def_readonly("entries", &LayerInfo::entries)
      .def_readonly("content_size", &LayerInfo::content_size);
  py::class_<PyIngest>(module, "Ingest")
      .def(py::init<const std::string&, const std::string&, std::int64_t, const std::string&,
                    bool>(),
           py::arg("root"), py::kw_only(), py::arg("digest") = "", py::arg("size") = -1,
           py::arg("diff_id") = "", py::arg("partial") = false)
      .def("resume", &PyIngest::resume, py::arg("on_bytes") = nullptr)
      .def("write", &PyIngest::write)
      .def("finish", &PyIngest::finish)
      .def("abort", &PyIngest::abort, py::arg("discard") = false);
  module.def("ingest_fd", &ingest_fd, py::arg("root"), py::arg("fd"), py::arg("offset") = -1,
             py::arg("size") = -1, py::kw_only(), py::arg("digest") = "", py::arg("diff_id") = "",
             py::arg("on_bytes") = nullptr);
  module.def("ingest_blob", &ingest_blob, py::arg("root"), py::arg("digest"), py::kw_only(),
             py::arg("diff_id") = "", py::arg("on_bytes") = nullptr);
  module.def("layer_info", [](const std::string& root, const std::string& diff_id) {
    return layer::LayerStore(root).info(digest::DiffId::parse(diff_id));
  });
  module.def("damaged_layer_parts", [](const std::string& root, const std::string& diff_id) {
    const py::gil_scoped_release release;
    return layer::LayerStore(root).damage(digest::DiffId::parse(diff_id));
  });
  module.def("damaged_chain_parts", [](const std::string& root, const DiffIds& diff_ids) {
    std::vector<std::pair<std::string, std::vector<std::string>>> found;
    const py::gil_scoped_release release;
    for (auto& chain : layer::ChainStore(root).damage(to_stack(diff_ids))) {
      found.emplace_back(chain.id.hex(), std::move(chain.parts));
    }
    return found;
  });
  module.def("side_path", [](const std::string& root, const std::string& diff_id) {
    return layer::LayerStore(root).side_path(digest::DiffId::parse(diff_id));
  });
}

}  // namespace fastlayers::bindings
