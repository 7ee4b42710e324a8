#include "base/error.hpp"
#include "base/profile.hpp"
#include "bindings/bindings.hpp"
#include "diff/squash.hpp"
#include "diff/upper.hpp"
#include "layer/ingest.hpp"
#include "mount/root.hpp"
#include "mount/stack_root.hpp"
#include "run/copy_tree.hpp"
#include "sys/file.hpp"
#include "sys/user_namespace.hpp"

namespace fastlayers::bindings {

namespace {

using OnBytes = std::function<void(std::uint64_t)>;

// A commit takes the way of every other layer: what it writes is ingested.
class IngestSink : public Sink {
 public:
  explicit IngestSink(layer::Ingest& ingest, const OnBytes& on_bytes)
      : ingest_(ingest), on_bytes_(on_bytes) {}
  void write(Bytes bytes) override {
    ingest_.write(bytes);
    written_ += bytes.size();
    since_check_ += bytes.size();
    if (since_check_ > kCheckBytes) {
      since_check_ = 0;
      check_signals();
      if (on_bytes_) {
        const py::gil_scoped_acquire gil;
        on_bytes_(written_);
      }
    }
  }

 private:
  static constexpr std::size_t kCheckBytes = 8 << 20;
  layer::Ingest& ingest_;
  const OnBytes& on_bytes_;
  std::uint64_t written_ = 0;
  std::size_t since_check_ = 0;
};

// Collects small writes: a tar is mostly headers.
class FdSink : public Sink {
 public:
  explicit FdSink(int fd) : fd_(fd) { buffer_.reserve(kBufferBytes); }
  void write(Bytes bytes) override {
    if (buffer_.size() + bytes.size() > kBufferBytes) flush();
    if (bytes.size() >= kBufferBytes) {
      sys::write_all(fd_, bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
  }
  void flush() {
    const ProfileTimer timer(ProfilePart::write, buffer_.size());
    sys::write_all(fd_, buffer_);
    buffer_.clear();
    check_signals();
  }

 private:
  static constexpr std::size_t kBufferBytes = 1 << 20;
  int fd_;
  std::vector<std::byte> buffer_;
};

std::optional<std::int64_t> clamp_of(std::int64_t epoch) {
  if (epoch < 0) return std::nullopt;
  return epoch;
}

layer::LayerInfo commit_upper(const std::string& root, const DiffIds& diff_ids,
                              const diff::Uppers& uppers, std::int64_t epoch) {
  const py::gil_scoped_release release;
  const table::Table below = layer::ChainStore(root).merged(to_stack(diff_ids));
  layer::Ingest ingest(root, {});
  const OnBytes nobody;
  IngestSink sink(ingest, nobody);
  diff::write_layer(&below, uppers, sink, clamp_of(epoch));
  return ingest.finish();
}

layer::LayerInfo squash_layers(const std::string& root, const DiffIds& diff_ids, std::size_t start,
                               std::int64_t epoch, const OnBytes& on_bytes) {
  const py::gil_scoped_release release;
  const layer::Stack stack = to_stack(diff_ids);
  if (start >= stack.size()) throw Error(ErrorKind::invalid, "no layers to squash");
  const layer::ChainStore chains(root);
  std::optional<table::Table> below;
  if (start > 0)
    below = chains.merged({stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(start)});
  const table::Table top = chains.merged(stack);
  layer::Ingest ingest(root, {});
  IngestSink sink(ingest, on_bytes);
  diff::write_squashed(below ? &*below : nullptr, top, layer::LayerStore(root), sink,
                       clamp_of(epoch));
  return ingest.finish();
}

const char* letter(diff::ChangeKind kind) {
  switch (kind) {
    case diff::ChangeKind::added:
      return "A";
    case diff::ChangeKind::deleted:
      return "D";
    case diff::ChangeKind::changed:
      break;
  }
  return "C";
}

py::list diff_upper(const std::string& root, const DiffIds& diff_ids, const diff::Uppers& uppers) {
  std::vector<diff::Change> changes;
  {
    const py::gil_scoped_release release;
    const table::Table below = layer::ChainStore(root).merged(to_stack(diff_ids));
    changes = diff::list_changes(&below, uppers);
  }
  py::list result;
  for (const auto& change : changes) {
    result.append(py::make_tuple(letter(change.kind), py::bytes(change.path)));
  }
  return result;
}

void export_root(const std::string& root, const DiffIds& diff_ids, const std::string& backend,
                 const std::string& directory, int fd) {
  const py::gil_scoped_release release;
  const layer::ChainStore chains(root);
  const mount::Backend kind = mount::parse_backend(backend);
  const layer::Stack stack = to_stack(diff_ids);
  const sys::Fd mounted = mount::attach(
      directory.empty() ? mount::image_root(chains, stack, kind)
                        : mount::container_root(chains, stack, kind, directory, true));
  const sys::Fd top = sys::open_at(mounted.get(), ".", O_RDONLY | O_DIRECTORY);
  const table::Table below = sys::has_single_id() ? chains.merged(stack) : table::Table();
  FdSink sink(fd);
  diff::write_tree_tar(&below, top.get(), sink);
  sink.flush();
}

}  // namespace

void register_diff(py::module_& module) {
  module.def("commit_upper", &commit_upper, py::arg("root"), py::arg("diff_ids"), py::arg("uppers"),
             py::arg("epoch") = -1);
  module.def("squash_layers", &squash_layers, py::arg("root"), py::arg("diff_ids"),
             py::arg("start"), py::arg("epoch") = -1, py::arg("on_bytes") = nullptr);
  module.def("diff_upper", &diff_upper);
  module.def("upper_size", [](const std::string& upper) {
    const py::gil_scoped_release release;
    return diff::content_bytes(upper);
  });
  module.def("remove_tree", [](const std::string& path) {
    const py::gil_scoped_release release;
    sys::remove_tree(path);
  });
  module.def("copy_upper", [](const std::string& from, const std::string& to) {
    const py::gil_scoped_release release;
    run::copy_tree(sys::open(from, O_RDONLY | O_DIRECTORY).get(),
                   sys::open(to, O_RDONLY | O_DIRECTORY), run::CopyOf::upper);
  });
  module.def("sync_file_system", [](const std::string& directory) {
    const py::gil_scoped_release release;
    sys::sync_file_system(sys::open(directory, O_RDONLY | O_DIRECTORY).get());
  });
  module.def("exchange", &sys::exchange);
  module.def("export_root", &export_root);
}

}  // namespace fastlayers::bindings
