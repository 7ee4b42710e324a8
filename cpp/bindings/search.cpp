#include <memory>

#include "base/error.hpp"
#include "bindings/bindings.hpp"
#include "search/line_search.hpp"
#include "sys/stream.hpp"

namespace fastlayers::bindings {

namespace {

using search::LineSearch;

// The values of a column.
template <class T>
std::span<const T> column(const py::buffer_info& info, py::ssize_t count) {
  if (info.ndim != 1 || info.size != count || info.itemsize != sizeof(T) ||
      info.strides[0] != info.itemsize) {
    throw Error(ErrorKind::invalid, "the columns differ in length, or are none");
  }
  return {static_cast<const T*>(info.ptr), static_cast<std::size_t>(count)};
}

std::unique_ptr<LineSearch> begin_search(const std::vector<std::pair<int, std::string>>& files,
                                         const py::buffer& file, const py::buffer& offset,
                                         const py::buffer& length,
                                         const std::vector<search::Sequence>& sequences,
                                         std::int64_t most_hits,
                                         const search::SearchBounds& bounds) {
  const py::buffer_info infos[] = {file.request(), offset.request(), length.request()};
  const auto numbers = column<std::uint32_t>(infos[0], infos[0].size);
  const auto offsets = column<std::uint64_t>(infos[1], infos[0].size);
  const auto lengths = column<std::uint64_t>(infos[2], infos[0].size);
  std::vector<search::SearchedFile> searched;
  for (const auto& [fd, name] : files) searched.push_back({sys::duplicate_above_stdio(fd), name});
  std::vector<search::Slice> slices;
  slices.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    slices.push_back({numbers[i], offsets[i], lengths[i]});
  }
  return std::make_unique<LineSearch>(std::move(searched), std::move(slices), sequences, most_hits,
                                      bounds);
}

py::object next_lines(LineSearch& search) {
  std::optional<search::Lines> found;
  {
    const py::gil_scoped_release release;
    found = search.next(check_signals);
  }
  if (!found) return py::none();
  py::list lines(found->lines.size());
  std::size_t index = 0;
  for (const search::Line& line : found->lines) {
    py::object bytes = py::none();
    py::object hits = py::none();
    if (line.place >= 0) {
      bytes = py::bytes(found->text.data() + line.place,
                        static_cast<std::size_t>(line.end - line.begin));
    }
    if (line.hits > 0) {
      const auto first = found->hits.begin() + line.first_hit;
      hits = py::cast(std::vector<std::int64_t>(first, first + line.hits));
    }
    lines[index++] = py::make_tuple(line.slice, line.number, line.begin, line.end, bytes, hits);
  }
  return lines;
}

}  // namespace

void register_search(py::module_& module) {
  const search::SearchBounds bounds;
  py::class_<LineSearch>(module, "LineSearch")
      .def(py::init([](const std::vector<std::pair<int, std::string>>& files,
                       const py::buffer& file, const py::buffer& offset, const py::buffer& length,
                       const std::vector<search::Sequence>& sequences, std::int64_t most_hits,
                       std::size_t window_bytes, std::uint64_t part_bytes, std::size_t most_lines,
                       std::size_t longest_line) {
             return begin_search(files, file, offset, length, sequences, most_hits,
                                 {window_bytes, part_bytes, most_lines, longest_line});
           }),
           py::arg("files"), py::arg("file"), py::arg("offset"), py::arg("length"),
           py::arg("sequences"), py::arg("most_hits"), py::kw_only(),
           py::arg("window_bytes") = bounds.window_bytes, py::arg("part_bytes") = bounds.part_bytes,
           py::arg("most_lines") = bounds.most_lines, py::arg("longest_line") = bounds.longest_line)
      .def("next", next_lines);
}

}  // namespace fastlayers::bindings
