#include "sys/device_filter.hpp"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "base/error.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace fastlayers::sys {

namespace {

constexpr unsigned kTypeBits = 16;  // of access_type; what is asked for is above them
constexpr std::int32_t kTypeMask = (1 << kTypeBits) - 1;

// The registers: what bpf_cgroup_dev_ctx says is taken apart into them.
constexpr unsigned kAnswer = BPF_REG_0, kContext = BPF_REG_1, kType = BPF_REG_2,
                   kAccess = BPF_REG_3, kMajor = BPF_REG_4, kMinor = BPF_REG_5,
                   kTooMuch = BPF_REG_6;

// The casts are to the widths of bpf_insn's bit fields.
bpf_insn instruction(unsigned code, unsigned to, unsigned from, std::int16_t offset,
                     std::int32_t value) {
  bpf_insn made{};
  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = to & 0xf;
  made.src_reg = from & 0xf;
  made.off = offset;
  made.imm = value;
  return made;
}

bpf_insn load(unsigned to, std::size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<std::int16_t>(offset), 0);
}

bpf_insn compute(unsigned operation, unsigned to, std::int32_t value) {
  return instruction(BPF_ALU64 | operation | BPF_K, to, 0, 0, value);
}

bpf_insn copy(unsigned to, unsigned from) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

class Program {
 public:
  explicit Program(const std::vector<DeviceRule>& allowed) {
    code_ = {load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
             copy(kAccess, kType),
             compute(BPF_RSH, kAccess, kTypeBits),
             compute(BPF_AND, kType, kTypeMask),
             load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
             load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor))};
    allow_if({{kAccess, BPF_DEVCG_ACC_MKNOD}});
    for (const DeviceRule& rule : allowed) {
      std::vector<Test> tests = {{kType, rule.is_block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR},
                                 {kMajor, static_cast<std::int32_t>(rule.major)}};
      if (rule.minor >= 0) tests.push_back({kMinor, rule.minor});
      if (!rule.read || !rule.write) {
        code_.push_back(copy(kTooMuch, kAccess));
        code_.push_back(
            compute(BPF_AND, kTooMuch,
                    (rule.read ? 0 : BPF_DEVCG_ACC_READ) | (rule.write ? 0 : BPF_DEVCG_ACC_WRITE)));
        tests.push_back({kTooMuch, 0});
      }
      allow_if(tests);
    }
    answer(0);
  }

  const std::vector<bpf_insn>& code() const { return code_; }

 private:
  struct Test {
    unsigned what;
    std::int32_t is;
  };

  void allow_if(const std::vector<Test>& tests) {
    std::size_t rest = tests.size() + 1;  // and the two instructions of the answer
    for (const Test& test : tests) {
      code_.push_back(instruction(BPF_JMP | BPF_JNE | BPF_K, test.what, 0,
                                  static_cast<std::int16_t>(rest--), test.is));
    }
    answer(1);
  }

  void answer(std::int32_t value) {
    code_.push_back(compute(BPF_MOV, kAnswer, value));
    code_.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  }

  std::vector<bpf_insn> code_;
};

long bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
}

[[noreturn]] void refuse(const std::string& group, int error) {
  throw Error(ErrorKind::unsupported,
              "cannot keep the host's devices from the control group " + group + ": " +
                  std::generic_category().message(error),
              error);
}

bool has_filter(int group) {
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(group);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  return bpf(BPF_PROG_QUERY, query) == 0 && query.query.prog_cnt > 0;
}

}  // namespace

void restrict_devices(const std::string& group, const std::vector<DeviceRule>& allowed) {
  const Fd directory = open(group, O_RDONLY | O_DIRECTORY);
  if (has_filter(directory.get())) return;
  const Program program(allowed);
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr loading{};
  loading.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  loading.insns = reinterpret_cast<std::uint64_t>(program.code().data());
  loading.insn_cnt = static_cast<std::uint32_t>(program.code().size());
  loading.license = reinterpret_cast<std::uint64_t>(kLicense);
  const Fd loaded(static_cast<int>(bpf(BPF_PROG_LOAD, loading)));
  if (!loaded) refuse(group, errno);
  bpf_attr attaching{};
  attaching.target_fd = static_cast<std::uint32_t>(directory.get());
  attaching.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
  attaching.attach_type = BPF_CGROUP_DEVICE;
  attaching.attach_flags = BPF_F_ALLOW_MULTI;  // and those that are around the group hold as well
  if (bpf(BPF_PROG_ATTACH, attaching) != 0) refuse(group, errno);
}

}  // namespace fastlayers::sys
