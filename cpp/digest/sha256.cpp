#include "digest/sha256.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <new>
#include <string>

#include "base/error.hpp"

namespace fastlayers::digest {

namespace {

constexpr std::string_view kPrefix = "sha256:";

// Fetching an algorithm takes locks and walks OpenSSL's providers, which costs more than hashing
// a small file: it is done once and kept for the life of the process.
const EVP_MD* algorithm() {
  static const EVP_MD* const md = [] {
    // The host's openssl.cnf takes a millisecond to read, and has no say in what a digest is.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    return EVP_MD_fetch(nullptr, "SHA256", nullptr);
  }();
  if (md == nullptr) throw Error(ErrorKind::unsupported, "OpenSSL offers no SHA-256");
  return md;
}

void require(int result, const char* call) {
  if (result != 1) throw Error(ErrorKind::unsupported, std::string("OpenSSL: ") + call + " failed");
}

// 0 to 15, or -1. Uppercase is refused: a digest has exactly one spelling.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string to_hex(const Hash256& hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex(hash.size() * 2, '\0');
  for (std::size_t i = 0; i < hash.size(); ++i) {
    hex[2 * i] = kDigits[hash[i] >> 4];
    hex[2 * i + 1] = kDigits[hash[i] & 15];
  }
  return hex;
}

Hash256 from_hex(std::string_view hex) {
  Hash256 hash{};
  if (hex.size() != hash.size() * 2) {
    throw Error(ErrorKind::invalid,
                "a SHA-256 has 64 hexadecimal digits, not " + std::to_string(hex.size()));
  }
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      throw Error(ErrorKind::invalid, "a SHA-256 consists of the digits 0-9 and a-f only");
    }
    hash[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return hash;
}

template <class Tag>
Named<Tag> Named<Tag>::parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) {
    throw Error(ErrorKind::invalid, "a digest must begin with \"sha256:\"");
  }
  return Named{from_hex(text.substr(kPrefix.size()))};
}

template struct Named<DigestTag>;
template struct Named<DiffIdTag>;
template struct Named<ChainIdTag>;

struct Sha256::State {
  State() : context(EVP_MD_CTX_new()) {
    if (context == nullptr) throw std::bad_alloc();
    start();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start() { require(EVP_DigestInit_ex2(context, algorithm(), nullptr), "EVP_DigestInit"); }

  EVP_MD_CTX* context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(Bytes bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()), "EVP_DigestUpdate");
}

Hash256 Sha256::finish() {
  Hash256 hash{};
  require(EVP_DigestFinal_ex(state_->context, hash.data(), nullptr), "EVP_DigestFinal");
  state_->start();
  return hash;
}

Hash256 sha256(Bytes bytes) {
  Hash256 hash{};
  require(EVP_Digest(bytes.data(), bytes.size(), hash.data(), nullptr, algorithm(), nullptr),
          "EVP_Digest");
  return hash;
}

ChainId chain_id(const ChainId* parent, const DiffId& layer) {
  if (parent == nullptr) return ChainId{layer.hash};
  return ChainId{sha256(as_bytes(parent->str() + " " + layer.str()))};
}

}  // namespace fastlayers::digest
