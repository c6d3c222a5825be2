// What machines say of their own network.
#include <doctest/doctest.h>

#include <string>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tools/moesim/network/topology_import.h"

using namespace moesim::tools;
using moesim::sim::InputError;
using moesim::tests::thrown;

namespace {

const std::string kTable =
    "\tGPU0\tGPU1\tNIC0\tCPU Affinity\n"
    "GPU0\t X \tNV18\tPIX\t0-55\n"
    "GPU1\tNV18\t X \tSYS\t0-55\n"
    "NIC0\tPIX\tSYS\t X \n";

const std::string kXml =
    "<?xml version=\"1.0\"?>\n<system version=\"1\">\n <cpu numaid=\"0\" arch=\"x86_64\">\n"
    "  <pci busid=\"0000:11:00.0\" class=\"0x030200\" link_speed=\"32.0 GT/s PCIe\" "
    "link_width=\"16\"><gpu dev=\"0\" sm=\"90\" rank=\"0\" gdr=\"1\"><nvlink "
    "target=\"0000:05:00.0\" count=\"18\" tclass=\"0x068000\"/></gpu></pci>\n"
    "  <nic><net name=\"nic0\" dev=\"0\" speed=\"400000\" port=\"1\" gdr=\"1\"/></nic>\n"
    " </cpu>\n</system>\n";

}  // namespace

TEST_CASE("nvidia-smi's table gives GPUs, NVLinks, NICs and what they are near") {
  const ImportedNode node = node_of_nvidia_smi(kTable, "t.txt");
  CHECK(node.gpus == 2);
  CHECK(node.nvlinks == 18);
  CHECK(node.nics == std::vector<std::string>{"NIC0"});
  CHECK(node.nearest == std::vector<std::string>{"GPU0"});
  // The header is underlined on a terminal, and a legend follows.
  const ImportedNode underlined = node_of_nvidia_smi(
      "\t\x1b[4mGPU0\tGPU1\tCPU Affinity\x1b[0m\nGPU0\t X \tSYS\t0-55\nGPU1\tSYS\t X \t0-55\n\n"
      "Legend:\n  X    = Self\n\nNIC Legend:\n  NIC0: mlx5_0\n",
      "t.txt");
  CHECK(underlined.gpus == 2);
  CHECK(underlined.nvlinks == 0);
  CHECK(underlined.nics.empty());
}

TEST_CASE("a table that is none, or of links that no switch has, is refused") {
  CHECK(thrown<InputError>([] { node_of_nvidia_smi("hello\n", "t.txt"); }) ==
        "t.txt: no table of GPUs; is this of nvidia-smi topo -m?");
  CHECK(
      thrown<InputError>([] { node_of_nvidia_smi("GPU0 GPU1 GPU2\nGPU0 X NV1 NV2\n", "t.txt"); }) ==
      "t.txt:2: GPU0 and GPU2 have 2 NVLinks, pairs before 1: links that differ from pair to pair "
      "are described by topology: {switches, links}");
  CHECK(thrown<InputError>([] { node_of_nvidia_smi("GPU0 GPU1\nGPU0 X\n", "t.txt"); }) ==
        "t.txt:2: 1 columns for 2 devices");
  CHECK(thrown<InputError>([] {
          node_of_nvidia_smi("GPU0 GPU1 GPU2\nGPU0 X NV18 NV18\nGPU1 NV18 X NV18\n", "t.txt");
        }) == "t.txt: 3 GPUs in the header, 2 lines of one: was it cut?");
  CHECK(thrown<InputError>([] {
          node_of_nvidia_smi("GPU0 GPU1\nGPU0 X NV257\nGPU1 NV257 X\n", "t.txt");
        }) == "t.txt:2: \"NV257\" is no link");
  CHECK(node_of_nvidia_smi("GPU0 GPU1\nGPU0 X NV256\nGPU1 NV256 X\n", "t.txt").nvlinks == 256);
}

TEST_CASE("NCCL's topology gives GPUs, their links and generation, and NICs with their rate") {
  const ImportedNode node = node_of_nccl_xml(kXml, "n.xml");
  CHECK(node.gpus == 1);
  CHECK(node.nvlinks == 18);
  CHECK(node.sm == 90);
  CHECK(node.nic_Gbps == 400);
  CHECK(node.nics == std::vector<std::string>{"nic0"});
  // 32 GT/s x 16 lanes / 8 bits x 128 / 130.
  CHECK(node.pcie_GBps == doctest::Approx(63.015).epsilon(1e-4));
}

TEST_CASE("a slower NIC beside those of the fabric is left out, and named") {
  std::string xml = kXml;
  xml.insert(xml.find("  <nic>"), "  <nic><net name=\"eth0\" speed=\"25000\"/></nic>\n");
  const ImportedNode node = node_of_nccl_xml(xml, "n.xml");
  CHECK(node.nic_Gbps == 400);
  CHECK(node.nics == std::vector<std::string>{"nic0"});
  CHECK(node.slower == std::vector<std::string>{"eth0 (25 Gbit/s)"});
}

TEST_CASE("an XML that is none, or ends early, is refused with its line") {
  CHECK(thrown<InputError>([] { node_of_nccl_xml("hello", "n.xml"); }) ==
        "n.xml: no <system> with a <gpu>; is this of NCCL_TOPO_DUMP_FILE?");
  CHECK(thrown<InputError>([] {
          node_of_nccl_xml(kXml.substr(0, 120), "n.xml");
        }).starts_with("n.xml:4: "));
  CHECK(thrown<InputError>([] { node_of_nccl_xml("<system><nvlink count=\"3\"/>", "n.xml"); }) ==
        "n.xml:1: an nvlink without a GPU or a count");
}
