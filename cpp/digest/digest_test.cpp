#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "base/error.hpp"
#include "digest/sha256.hpp"
#include "digest/xxh3.hpp"

namespace fastlayers::digest {
namespace {

constexpr const char* kEmptyHex =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kAbcHex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

ErrorKind kind_of(auto&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error was thrown");
  return ErrorKind::invalid;
}

TEST_CASE("sha256 matches the published vectors") {
  CHECK(to_hex(sha256({})) == kEmptyHex);
  CHECK(to_hex(sha256(as_bytes("abc"))) == kAbcHex);
}

TEST_CASE("sha256 in pieces equals sha256 in one, and finish() starts a new message") {
  Sha256 hasher;
  CHECK(to_hex(hasher.finish()) == kEmptyHex);
  hasher.update(as_bytes("a"));
  hasher.update({});
  hasher.update(as_bytes("bc"));
  CHECK(to_hex(hasher.finish()) == kAbcHex);
  CHECK(to_hex(hasher.finish()) == kEmptyHex);
}

TEST_CASE("a moved sha256 keeps its message") {
  Sha256 first;
  first.update(as_bytes("ab"));
  Sha256 second = std::move(first);
  second.update(as_bytes("c"));
  CHECK(to_hex(second.finish()) == kAbcHex);
}

TEST_CASE("digests have exactly one spelling") {
  const Digest digest = Digest::parse(std::string("sha256:") + kAbcHex);
  CHECK(digest.hex() == kAbcHex);
  CHECK(digest.str() == std::string("sha256:") + kAbcHex);
  CHECK(from_hex(kAbcHex) == digest.hash);

  std::string upper = kAbcHex;
  upper[0] = 'B';
  for (const std::string& bad :
       {std::string(), std::string(kAbcHex), "sha256:" + upper, "sha512:" + std::string(kAbcHex),
        "sha256:" + std::string(kAbcHex) + "0", "sha256:" + std::string(kAbcHex).substr(1),
        "SHA256:" + std::string(kAbcHex), " sha256:" + std::string(kAbcHex),
        "sha256:" + std::string(63, '0') + "/"}) {
    CAPTURE(bad);
    CHECK(kind_of([&] { Digest::parse(bad); }) == ErrorKind::invalid);
  }
}

TEST_CASE("a chain of one layer is named by the layer, of more by the hash of both names") {
  const DiffId base = DiffId::parse(std::string("sha256:") + kEmptyHex);
  const DiffId upper = DiffId::parse(std::string("sha256:") + kAbcHex);
  const ChainId first = chain_id(nullptr, base);
  CHECK(first.hex() == kEmptyHex);
  const std::string text = std::string("sha256:") + kEmptyHex + " sha256:" + kAbcHex;
  CHECK(chain_id(&first, upper).hash == sha256(as_bytes(text)));
}

TEST_CASE("xxh3 matches the published vector of the empty message") {
  CHECK(xxh3({}) == Hash128{0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24,
                            0x46, 0x8d, 0x49, 0x7f});
  CHECK(xxh3_64({}) == 0x2d06800538d394c2);
}

TEST_CASE("xxh3 in pieces, with runs of zeros, equals xxh3 in one") {
  std::string text = "head";
  text.append(200'000, '\0');
  text += "tail";
  Xxh3 hasher;
  for (int round = 0; round < 2; ++round) {
    hasher.update(as_bytes("head"));
    hasher.update_zeros(200'000);
    hasher.update_zeros(0);
    hasher.update({});
    hasher.update(as_bytes("tail"));
    CHECK(hasher.finish() == xxh3(as_bytes(text)));
  }
  CHECK(hasher.finish() == xxh3({}));
}

}  // namespace
}  // namespace fastlayers::digest
