#include "base/error.hpp"
#include "base/profile.hpp"
#include "bindings/bindings.hpp"
#include "blob/blob_store.hpp"
#include "blob/compressed_reader.hpp"
#include "codec/codec.hpp"
#include "sys/stream.hpp"

namespace fastlayers::bindings {

namespace {

constexpr std::size_t kCopyBytes = 256 * 1024;

class FdSource : public Source {
 public:
  explicit FdSource(int fd) : fd_(fd) {}
  std::size_t read(MutableBytes buffer) override {
    // The bytes looked at for sniffing come first.
    if (at_ < head_.size()) {
      const std::size_t count = std::min(buffer.size(), head_.size() - at_);
      std::memcpy(buffer.data(), head_.data() + at_, count);
      at_ += count;
      return count;
    }
    const ProfileTimer timer(ProfilePart::read);
    return sys::read_some(fd_, buffer);
  }
  Bytes peek() {
    std::byte buffer[codec::kSniffBytes];
    while (head_.size() < sizeof(buffer)) {
      const std::size_t count = sys::read_some(fd_, {buffer, sizeof(buffer) - head_.size()});
      if (count == 0) break;
      head_.append(as_text({buffer, count}));
    }
    return as_bytes(head_);
  }

 private:
  int fd_;
  std::string head_;
  std::size_t at_ = 0;
};

template <class Write>
void copy_all(Source& source, Write write) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kCopyBytes);
  while (const std::size_t count = source.read({buffer.get(), kCopyBytes})) {
    write(Bytes{buffer.get(), count});
    check_signals();
  }
}

std::string decompress_fd(int in_fd, int out_fd) {
  const py::gil_scoped_release release;
  ProfileTimer timer(ProfilePart::inflate);
  FdSource source(in_fd);
  const codec::Compression compression = codec::sniff(source.peek());
  const auto plain = codec::decompress(compression, source);
  copy_all(*plain, [&](Bytes bytes) {
    timer.add_bytes(bytes.size());
    const ProfileTimer writing(ProfilePart::write, bytes.size());
    sys::write_all(out_fd, bytes);
  });
  if (compression == codec::Compression::none) return "none";
  return compression == codec::Compression::gzip ? "gzip" : "zstd";
}

codec::Compression compression_of(const std::string& name) {
  if (name == "none") return codec::Compression::none;
  if (name == "gzip") return codec::Compression::gzip;
  if (name == "zstd") return codec::Compression::zstd;
  throw Error(ErrorKind::invalid, "unknown compression " + name + ": it is gzip, zstd or none");
}

// Keeps a descriptor of its own: the caller's may be closed while the reader lives.
std::unique_ptr<blob::CompressedReader> compressed_reader(
    int fd, std::uint64_t offset, std::uint64_t size, const std::string& expected,
    const std::string& damage, const std::string& compression, int level, unsigned threads) {
  return std::make_unique<blob::CompressedReader>(
      blob::CompressedReader::Plain{sys::duplicate_above_stdio(fd), offset, size,
                                    digest::Digest::parse(expected), damage},
      compression_of(compression), level, threads);
}

py::bytes read_piece(blob::CompressedReader& reader) {
  std::vector<std::byte> piece;
  {
    const py::gil_scoped_release release;
    piece = reader.read();
  }
  return {reinterpret_cast<const char*>(piece.data()), piece.size()};
}

// What the reader gives becomes a blob of the store.
void keep(blob::CompressedReader& reader, const std::string& root,
          const std::function<void(std::uint64_t)>& on_bytes) {
  const py::gil_scoped_release release;
  const blob::BlobStore blobs(root);
  blob::BlobWriter out = blobs.writer();
  for (auto piece = reader.read(); !piece.empty(); piece = reader.read()) {
    out.write(piece);
    check_signals();
    if (on_bytes) {
      const py::gil_scoped_acquire gil;
      on_bytes(out.size());
    }
  }
  blobs.sync_and_publish(out, reader.digest().hash);
}

}  // namespace

void register_blob(py::module_& module) {
  using digest::Digest;
  module.def("has_blob", [](const std::string& root, const std::string& digest) {
    return sys::exists(root + "/blobs/sha256/" + Digest::parse(digest).hex());
  });
  module.def("blob_path", [](const std::string& root, const std::string& digest) {
    return root + "/blobs/sha256/" + Digest::parse(digest).hex();
  });
  module.def("put_blob", [](const std::string& root, const py::buffer& data) {
    const py::buffer_info info = data.request();
    const py::gil_scoped_release release;
    return blob::BlobStore(root).put(bytes_of(info)).str();
  });
  module.def("read_blob",
             [](const std::string& root, const std::string& digest, std::uint64_t limit) {
               std::string text;
               {
                 const py::gil_scoped_release release;
                 text = blob::BlobStore(root).read(Digest::parse(digest), limit);
               }
               return py::bytes(text);
             });
  module.def("decompress_fd", &decompress_fd);
  py::class_<blob::CompressedReader>(module, "CompressedReader")
      .def(py::init(&compressed_reader), py::arg("fd"), py::arg("offset"), py::arg("size"),
           py::kw_only(), py::arg("expected"), py::arg("damage"), py::arg("compression"),
           py::arg("level"), py::arg("threads"))
      .def("read", &read_piece)
      .def("keep", &keep, py::arg("root"), py::arg("on_bytes") = nullptr)
      .def_property_readonly("digest",
                             [](const blob::CompressedReader& r) { return r.digest().str(); })
      .def_property_readonly("size", &blob::CompressedReader::size);
}

}  // namespace fastlayers::bindings
