// What the machine can do, in the simplest loop there is for it.
#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "benchmarks.hpp"
#ifdef FASTLAYERS_HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

namespace micro {

namespace {

constexpr std::size_t kHotBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 512 * 1024;

Limit limit_of(const char* name, std::uint64_t bytes, const Timing& timing) {
  return {name, static_cast<std::uint64_t>(per_second(bytes, timing.best_ns))};
}

Limit copy_limit(const Context& context) {
  const std::string& from = context.sample.tar;
  std::string to(from.size(), 'x');
  const Timing timing = measure(context.rounds, [&] { std::memcpy(&to[0], &from[0], to.size()); });
  require(to == from, "memcpy", "the copy differs");
  return limit_of("memcpy", from.size(), timing);
}

Limit hash_limit(const Context& context) {
  const std::string hot = context.sample.tar.substr(0, kHotBytes);
  const std::size_t times = context.sample.tar.size() / kHotBytes + 1;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> state(EVP_MD_CTX_new(),
                                                                      &EVP_MD_CTX_free);
  const Timing timing = measure(context.rounds, [&] {
    EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr);
    for (std::size_t i = 0; i < times; ++i) EVP_DigestUpdate(state.get(), hot.data(), hot.size());
    unsigned char hash[32];
    EVP_DigestFinal_ex(state.get(), hash, nullptr);
  });
  return limit_of("EVP SHA-256, hot buffer", times * kHotBytes, timing);
}

Limit write_limit(const Context& context) {
  const int fd = ::memfd_create("limit", MFD_CLOEXEC);
  require(fd >= 0, "write to a memfd", "memfd_create failed");
  const std::string& tar = context.sample.tar;
  const Timing timing = measure(context.rounds, [&] {
    require(::ftruncate(fd, 0) == 0, "write to a memfd", "ftruncate failed");
    for (std::size_t at = 0; at < tar.size(); at += kPieceBytes) {
      const std::size_t count = std::min(kPieceBytes, tar.size() - at);
      const ssize_t written = ::pwrite(fd, &tar[at], count, static_cast<off_t>(at));
      require(written == static_cast<ssize_t>(count), "write to a memfd", "a short write");
    }
  });
  ::close(fd);
  return limit_of("write to a memfd", tar.size(), timing);
}

#ifdef FASTLAYERS_HAVE_ISAL
Limit inflate_limit(const Context& context) {
  std::string plain(context.sample.tar.size(), '\0');
  const Timing timing = measure(context.rounds, [&] {
    inflate_state state{};
    isal_inflate_init(&state);
    state.crc_flag = ISAL_GZIP_NO_HDR_VER;
    std::string& gzip = const_cast<std::string&>(context.gzip);
    constexpr std::size_t kHeaderBytes = 10;  // no name, no comment: our own encoder wrote it
    state.next_in = reinterpret_cast<std::uint8_t*>(&gzip[kHeaderBytes]);
    state.avail_in = static_cast<std::uint32_t>(gzip.size() - kHeaderBytes);
    state.next_out = reinterpret_cast<std::uint8_t*>(&plain[0]);
    state.avail_out = static_cast<std::uint32_t>(plain.size());
    require(isal_inflate_stateless(&state) == ISAL_DECOMP_OK, "one-shot inflate", "it failed");
  });
  require(plain == context.sample.tar, "one-shot inflate", "other bytes");
  return limit_of("one-shot ISA-L inflate", plain.size(), timing);
}
#endif

}  // namespace

std::vector<Limit> measure_limits(const Context& context) {
  std::vector<Limit> limits{copy_limit(context), hash_limit(context), write_limit(context)};
#ifdef FASTLAYERS_HAVE_ISAL
  limits.push_back(inflate_limit(context));
#endif
  return limits;
}

}  // namespace micro
