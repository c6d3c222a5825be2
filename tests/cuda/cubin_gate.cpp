// Compiles the kernels for one architecture and looks at what came out:
//   cubin_gate NVCC SOURCE_ROOT SCRATCH sm_80|sm_90|sm_90a
// No warnings; no stack, no spills, registers within bounds (the compiler's report); the matrix
// instructions that the source asks for, and no access to local memory (the machine code).
// Ends with 77 where there is no compiler.
//
// Machine code since sm_70 is in pieces of 16 bytes whose low 12 bits are the opcode. The opcodes
// below were found by compiling one, four and sixteen of an instruction and taking the one that
// appeared as often.
#include <elf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr unsigned kHmma = 0x23c, kHgmma = 0x9f0, kQgmma = 0x9f3, kBulkCopy = 0x5b4,
                   kAsyncCopy = 0xfae, kLocalLoad = 0x983, kLocalStore = 0x387;

using Counts = std::map<unsigned, int>;

std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Opcodes of each kernel, by its mangled name.
std::map<std::string, Counts> scan(const std::string& cubin) {
  std::map<std::string, Counts> kernels;
  Elf64_Ehdr header;
  if (cubin.size() < sizeof header) return kernels;
  std::memcpy(&header, cubin.data(), sizeof header);
  const auto section = [&](std::size_t i) {
    Elf64_Shdr s;
    std::memcpy(&s, cubin.data() + header.e_shoff + i * sizeof s, sizeof s);
    return s;
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr s = section(i);
    const std::string name = cubin.data() + names.sh_offset + s.sh_name;
    if (name.rfind(".text.", 0) != 0) continue;
    for (std::size_t at = 0; at + 16 <= s.sh_size; at += 16) {
      std::uint64_t low;
      std::memcpy(&low, cubin.data() + s.sh_offset + at, sizeof low);
      ++kernels[name.substr(6)][static_cast<unsigned>(low & 0xfffu)];
    }
  }
  return kernels;
}

int g_failures = 0;

void expect(bool holds, const std::string& what) {
  std::printf("%-4s %s\n", holds ? "ok" : "FAIL", what.c_str());
  if (!holds) ++g_failures;
}

void check_report(const std::string& report) {
  expect(report.find("warning") == std::string::npos, "the compiler has nothing to warn of");
  std::istringstream lines(report);
  std::string kernel, line;
  int kernels = 0;
  const std::regex entry("Compiling entry function '(\\w+)'"), used("Used (\\d+) registers");
  std::smatch found;
  while (std::getline(lines, line)) {
    if (std::regex_search(line, found, entry)) kernel = found[1];
    if (line.find("bytes stack frame") != std::string::npos) {
      expect(line.find(" 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads") !=
                 std::string::npos,
             kernel + ": no stack and no spills");
    }
    if (std::regex_search(line, found, used)) {
      ++kernels;
      const int registers = std::atoi(found[1].str().c_str());
      // Two blocks of 128 threads share 65,536 registers: those of the largest mma.sync tile and of
      // a prompt's attention; three of the smallest tile have 168, as has a block of three
      // warpgroups; nobody else more than 240.
      const bool mma = kernel.find("grouped_gemm_mma") != std::string::npos;
      const int bound = mma && kernel.find("TileILi128E") != std::string::npos  ? 255
                        : mma                                                   ? 168
                        : kernel.find("TileILi128E") != std::string::npos       ? 168
                        : kernel.find("attention_prefill") != std::string::npos ? 255
                                                                                : 240;
      expect(registers <= bound,
             kernel + ": " + found[1].str() + " registers, at most " + std::to_string(bound));
    }
  }
  expect(kernels >= 5, std::to_string(kernels) + " kernels were compiled");
}

void check_code(const std::map<std::string, Counts>& kernels, bool hopper) {
  int products = 0;
  for (const auto& [name, counts] : kernels) {
    const auto count = [&, &counts = counts](unsigned opcode) {
      const auto place = counts.find(opcode);
      return place == counts.end() ? 0 : place->second;
    };
    expect(count(kLocalLoad) == 0 && count(kLocalStore) == 0, name + ": no local memory");
    const auto text = [&](unsigned opcode) { return std::to_string(count(opcode)); };
    if (name.find("grouped_gemm_mma") != std::string::npos) {
      ++products;
      // 32 or 64 of k, by 16; a warp of the largest tile has 4 x 8 fragments, of the smallest 1
      // x 4.
      expect(count(kHmma) >= 8 && count(kHmma) % 8 == 0, name + ": HMMA " + text(kHmma));
      expect(count(kAsyncCopy) > 0, name + ": LDGSTS " + text(kAsyncCopy));
    } else if (name.find("attention_decode") != std::string::npos) {
      ++products;
      // Of a piece: eight times 16 of the heads' values by eight of keys, then 16 keys by 16 times
      // eight of values.
      expect(count(kHmma) == 32, name + ": HMMA " + text(kHmma));
      expect(count(kAsyncCopy) >= 16, name + ": LDGSTS " + text(kAsyncCopy));
    } else if (name.find("attention_prefill") != std::string::npos) {
      ++products;
      // Of a piece, for each tile of 16 queries that a warp has: eight times 16 of a head's values
      // by eight of keys, four of keys by 16 of values.
      const int tiles = name.find("ILi2E") != std::string::npos ? 2 : 1;
      expect(count(kHmma) == tiles * 128, name + ": HMMA " + text(kHmma));
      expect(count(kAsyncCopy) >= 32, name + ": LDGSTS " + text(kAsyncCopy));
    } else if (name.find("grouped_gemm_wgmma") != std::string::npos) {
      ++products;
      // Four times 16 of k in a stage.
      expect(count(kHgmma) >= 4 && count(kHgmma) % 4 == 0, name + ": HGMMA " + text(kHgmma));
      expect(count(kBulkCopy) >= 2 && count(kHmma) == 0, name + ": UTMALDG " + text(kBulkCopy));
    } else if (name.find("grouped_gemm_fp8") != std::string::npos) {
      ++products;
      // Four times 32 of k in a stage.
      expect(count(kQgmma) >= 4 && count(kQgmma) % 4 == 0, name + ": QGMMA " + text(kQgmma));
      expect(count(kBulkCopy) >= 3 && count(kHmma) == 0, name + ": UTMALDG " + text(kBulkCopy));
    }
  }
  expect(products == (hopper ? 7 : 6), std::to_string(products) + " matrix kernels were found");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string nvcc = argv[1], root = argv[2], scratch = argv[3], architecture = argv[4];
  if (nvcc.empty() || !std::ifstream(nvcc)) {
    std::printf("SKIPPED: no CUDA compiler to compile the kernels with\n");
    return 77;
  }
  const bool hopper = architecture == "sm_90a";
  const std::string source =
      root + "/validation/cuda/program/" + (hopper ? "launch_hopper.cu" : "launch_portable.cu");
  const std::string target =
      hopper ? "-gencode=arch=compute_90a,code=sm_90a" : "-arch=" + architecture;
  const std::string cubin = scratch + "/" + architecture + ".cubin", report = cubin + ".txt";
  const std::string command =
      "'" + nvcc + "' -std=c++20 -O3 -cubin " + target +
      " -Xptxas=-v,-warn-spills,-warn-lmem-usage -Xcompiler=-Wall,-Wextra -I'" + root + "' -o '" +
      cubin + "' '" + source + "' > '" + report + "' 2>&1";
  if (std::system(command.c_str()) != 0) {
    std::printf("FAIL the kernels do not compile:\n%s\n", read(report).c_str());
    return 1;
  }
  check_report(read(report));
  check_code(scan(read(cubin)), hopper);
  return g_failures == 0 ? 0 : 1;
}
