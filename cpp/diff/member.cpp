#include "diff/member.hpp"

namespace fastlayers::diff {

void clamp_time(tar::Header& header, std::optional<std::int64_t> epoch) {
  if (!epoch || header.mtime_sec < *epoch) return;
  header.mtime_sec = *epoch;
  header.mtime_nsec = 0;
}

void write_hard_link(tar::Writer& writer, tar::Header& header, const std::string& first_name) {
  header.type = tar::kHardlink;
  header.link_target = first_name;
  writer.member(header);
  writer.end_member();
}

void write_marker(tar::Writer& writer, const std::string& path) {
  tar::Header header;
  header.path = path;
  header.type = tar::kFile;
  header.mode = 0600;
  writer.member(header);
  writer.end_member();
}

}  // namespace fastlayers::diff
