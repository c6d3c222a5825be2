// A cluster's file from what a machine says of its network: what is written, and what is refused.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sstream>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/network/network_commands.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::thrown;

namespace {

// Of GPUs that all have `link` between them, with a NIC near each, and more near none.
std::string table(int gpus, const std::string& link, int nics, int far = 0) {
  std::string text;
  for (int g = 0; g < gpus; ++g) text += fmt::format(" GPU{}", g);
  for (int n = 0; n < nics + far; ++n) text += fmt::format(" NIC{}", n);
  text += '\n';
  for (int row = 0; row < gpus + nics + far; ++row) {
    text += row < gpus ? fmt::format("GPU{}", row) : fmt::format("NIC{}", row - gpus);
    for (int column = 0; column < gpus + nics + far; ++column) {
      const bool is_pair = row < gpus && column < gpus;
      const int nic = std::max(row, column) - gpus, gpu = std::min(row, column);
      text += row == column                                   ? " X"
              : is_pair                                       ? " " + link
              : gpu < gpus && nic < nics && nic % gpus == gpu ? " PIX"
                                                              : " SYS";
    }
    text += '\n';
  }
  return text;
}

std::string xml(int sm) {
  return fmt::format("<system><pci><gpu sm=\"{}\"/></pci></system>", sm);
}

struct Imported {
  std::string yaml, said, error;
};

Imported import(const std::string& from, const std::string& text,
                std::map<std::string, std::vector<std::string>> more) {
  const tests::TemporaryFolder folder;
  const std::string file = folder.file("t", text).string();
  more["FILE"] = {file};
  more["from"] = {from};
  Imported imported;
  try {
    const auto said = tests::call(topology_import_command(), more);
    imported.yaml = said.out;
    imported.said = said.err;
  } catch (const sim::Error& error) {
    imported.error = error.what();
    if (imported.error.starts_with(file)) imported.error.replace(0, file.size(), "t");
  }
  return imported;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("GPUs that are wired directly have all their links together") {
  // 3 peers x 4 links x 25 GB/s, the 300 GB/s of an A100; 100 GB/s to each.
  const Imported mesh = import("nvidia-smi", table(4, "NV4", 4), {{"device", {"a100"}}});
  CHECK(has(mesh.yaml,
            "  bandwidth: 300 GB/s  # 12 NVLinks of 25 GB/s each way\n"
            "  # directly to the others, 100 GB/s to each: played as a switch\n"));
  // All 12 to every other: switches.
  CHECK(has(import("nvidia-smi", table(8, "NV12", 8), {{"device", {"a100"}}}).yaml,
            "  bandwidth: 300 GB/s  # 12 NVLinks of 25 GB/s each way\n"
            "  latency: 250 ns  # not in the file: order of magnitude of an NVSwitch hop\n"));
  CHECK(import("nvidia-smi", table(8, "NV18", 8), {{"device", {"a100"}}}).error ==
        "t: 18 NVLinks of a GPU, but the device has 12: --device NAME, of one that has as many");
}

TEST_CASE("NICs near no GPU are left out, and said to be") {
  const Imported dgx =
      import("nvidia-smi", table(8, "NV18", 8, 2),
             {{"device", {"h100"}}, {"nodes", {"2"}}, {"nic-bandwidth", {"400 Gbit/s"}}});
  CHECK(has(dgx.yaml, "  nics_per_node: 8\n"));
  CHECK(has(dgx.yaml, "# NIC7 is near GPU7\n# NIC8 is near no GPU: left out\n"));
  CHECK(has(dgx.said, "NIC8 left out: near no GPU, as others are\nNIC9 left out"));
}

TEST_CASE("NICs that GPUs cannot share evenly make no cluster of several nodes") {
  const std::string three = table(8, "NV18", 3);
  CHECK(import("nvidia-smi", three,
               {{"device", {"h100"}}, {"nodes", {"2"}}, {"nic-bandwidth", {"400 Gbit/s"}}})
            .error ==
        "t: 3 NICs, which 8 GPUs cannot share evenly: a table, or an XML, of those of the fabric "
        "alone would do");
  const Imported alone =
      import("nvidia-smi", three, {{"device", {"h100"}}, {"nic-bandwidth", {"400 Gbit/s"}}});
  CHECK_FALSE(has(alone.yaml, "scale_out"));
  CHECK(alone.said == "3 NICs, which 8 GPUs cannot share evenly; they are left out\n");
}

TEST_CASE("several nodes of a table without NICs are refused for that, not for a rate") {
  CHECK(import("nvidia-smi", table(8, "NV18", 0),
               {{"device", {"h100"}}, {"nodes", {"2"}}, {"nic-bandwidth", {"400 Gbit/s"}}})
            .error == "t: no NICs, which would join the nodes");
}

TEST_CASE("devices are known by their compute capability, or asked for by name") {
  const std::map<std::string, std::vector<std::string>> pcie{{"pcie-bandwidth", {"63 GB/s"}}};
  CHECK(import("nccl", xml(89), pcie).error ==
        "t: its GPUs have compute capability 89, as l40s, l40, rtx-4090 have: --device NAME");
  CHECK(import("nccl", xml(99), pcie).error == "t: does not say which GPU it has: --device NAME");
  const Imported b300 = import("nccl", xml(103), pcie);
  CHECK(has(b300.yaml, "name: 1 node of 1 b300\n"));
  CHECK(b300.said == "device b300: gb300 have compute capability 103 too (--device NAME)\n");
}

TEST_CASE("what no command would read is not written") {
  // 65,536 nodes of 32 are 2,097,152 devices; 1,048,576 can be simulated.
  const Imported many =
      import("nvidia-smi", table(32, "NV18", 32),
             {{"device", {"h100"}}, {"nodes", {"65536"}}, {"nic-bandwidth", {"400 Gbit/s"}}});
  CHECK(many.error.starts_with("t: no cluster here is like it:\n"));
}
