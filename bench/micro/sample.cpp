#include "sample.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

namespace micro {

namespace {

using fastlayers::tar::Header;

constexpr std::size_t kBlock = 512;
constexpr std::int64_t kTime = 1'700'000'000;

std::string folder_name(std::size_t number) {
  char name[64];
  std::snprintf(name, sizeof(name), "srv/node_modules/pkg%05zu", number);
  return name;
}

std::string file_name(std::size_t folder, std::size_t number) {
  char name[16];
  std::snprintf(name, sizeof(name), "/lib_%03zu.js", number);
  return folder_name(folder) + name;
}

// Words of a small language, the frequent ones short: text that compresses as source code does.
std::string make_text(std::size_t bytes, std::mt19937_64& random) {
  std::vector<std::string> words(4096);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t length = 2 + i / 512 + random() % 6;
    for (std::size_t j = 0; j < length; ++j) words[i] += static_cast<char>('a' + random() % 26);
  }
  std::string text;
  while (text.size() < bytes) {
    const double u = static_cast<double>(random() >> 11) / 9007199254740992.0;
    text += words[static_cast<std::size_t>(u * u * u * static_cast<double>(words.size()))];
    text += random() % 9 == 0 ? "\n  " : " ";
  }
  text.resize(bytes);
  return text;
}

// A ustar header, by POSIX.
std::string header_block(const Header& header) {
  std::string block(kBlock, '\0');
  const bool directory = header.type == fastlayers::tar::kDirectory;
  const auto put = [&block](std::size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
  };
  const auto octal = [&put](std::size_t at, int digits, std::uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%0*llo", digits, static_cast<unsigned long long>(value));
    put(at, text);
  };
  put(0, header.path + (directory ? "/" : ""));
  octal(100, 7, header.mode);
  octal(108, 7, header.uid);
  octal(116, 7, header.gid);
  octal(124, 11, header.size);
  octal(136, 11, static_cast<std::uint64_t>(header.mtime_sec));
  put(148, std::string(8, ' '));
  block[156] = header.type;
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  block[154] = '\0';
  return block;
}

}  // namespace

Sample make_sample(std::size_t folders) {
  std::mt19937_64 random(7);
  const std::string text = make_text(4 << 20, random);
  Sample sample;
  const auto add = [&sample](Header header) {
    header.mtime_sec = kTime;
    sample.tar += header_block(header);
    header.data_offset = sample.tar.size();
    sample.members.push_back(std::move(header));
  };
  for (std::size_t folder = 0; folder < folders; ++folder) {
    Header directory;
    directory.type = fastlayers::tar::kDirectory;
    directory.path = folder_name(folder);
    directory.mode = 0755;
    add(std::move(directory));
    for (std::size_t number = 0; number < 50; ++number) {
      const double u = static_cast<double>((random() >> 11) + 1) / 9007199254740992.0;
      Header file;
      file.path = file_name(folder, number);
      file.mode = 0644;
      file.size = std::min<std::uint64_t>(static_cast<std::uint64_t>(-8000 * std::log(u)), 200'000);
      const std::size_t start = random() % (text.size() - file.size);
      sample.content_bytes += file.size;
      const std::size_t size = file.size;
      add(std::move(file));
      sample.tar.append(text, start, size);
      sample.tar.resize((sample.tar.size() + kBlock - 1) / kBlock * kBlock);
    }
  }
  sample.tar.append(2 * kBlock, '\0');
  sample.sha256 = openssl_sha256(fastlayers::as_bytes(sample.tar));
  return sample;
}

fastlayers::table::Table make_table(const TreeShape& shape) {
  namespace table = fastlayers::table;
  table::TableBuilder builder(table::Order::path);
  for (std::uint8_t layer = 0; layer < 2; ++layer) {
    fastlayers::digest::DiffId id;
    id.hash[0] = static_cast<std::uint8_t>(layer + 1);
    builder.add_layer(id);
  }
  const auto add = [&builder](const std::string& path, table::Entry entry) {
    entry.mtime_sec = kTime;
    builder.add(entry, path, {}, {});
  };
  table::Entry directory;
  directory.kind = table::Kind::directory;
  directory.mode = 0755;
  for (const char* path : {"", "srv", "srv/node_modules"}) add(path, directory);
  for (std::size_t folder = 0; folder < shape.folders; folder += shape.every) {
    add(folder_name(folder), directory);
    for (std::size_t number = shape.first; number < shape.first + shape.files; ++number) {
      table::Entry file;
      file.mode = static_cast<std::uint16_t>(shape.mode);
      file.size = 512;
      file.data_offset = (folder * 100 + number) * 1024 + 512;
      file.layer = shape.first == 0 ? 0 : 1;
      add(file_name(folder, number), file);
    }
  }
  return std::move(builder).finish();
}

fastlayers::digest::Hash256 openssl_sha256(fastlayers::Bytes bytes) {
  fastlayers::digest::Hash256 hash{};
  EVP_Digest(bytes.data(), bytes.size(), hash.data(), nullptr, EVP_sha256(), nullptr);
  return hash;
}

std::size_t MemorySource::read(fastlayers::MutableBytes buffer) {
  const std::size_t count = std::min(buffer.size(), bytes_.size());
  std::memcpy(buffer.data(), bytes_.data(), count);
  bytes_ = bytes_.subspan(count);
  return count;
}

}  // namespace micro
