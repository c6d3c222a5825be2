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
  CHECK(node.pair_nvlinks == 18);
  CHECK(node.nics == std::vector<std::string>{"NIC0"});
  CHECK(node.nearest == std::vector<std::string>{"GPU0"});
  // The header is underlined on a terminal, and a legend follows.
  const ImportedNode underlined = node_of_nvidia_smi(
      "\t\x1b[4mGPU0\tGPU1\tCPU Affinity\x1b[0m\nGPU0\t X \tSYS\t0-55\nGPU1\tSYS\t X \t0-55\n\n"
      "Legend:\n  X    = Self\n\nNIC Legend:\n  NIC0: mlx5_0\n",
      "t.txt");
  CHECK(underlined.gpus == 2);
  CHECK(underlined.pair_nvlinks == 0);
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
  CHECK(thrown<InputError>(
            [] { node_of_nvidia_smi("GPU0 GPU1\nGPU0 X NV257\nGPU1 NV257 X\n", "t.txt"); }) ==
        "t.txt:2: \"NV257\" of GPU0 at GPU1 is no link: NV18, PIX, PXB, PHB, NODE or SYS would be");
  CHECK(node_of_nvidia_smi("GPU0 GPU1\nGPU0 X NV256\nGPU1 NV256 X\n", "t.txt").pair_nvlinks == 256);
}

TEST_CASE("a cell that nvidia-smi could not fill, and a line with too few of them, are told") {
  CHECK(thrown<InputError>(
            [] { node_of_nvidia_smi("GPU0 GPU1 NIC0\nGPU0 X ERR! PIX\n", "t.txt"); }) ==
        "t.txt:2: \"ERR!\" of GPU0 at GPU1 is no link: NV18, PIX, PXB, PHB, NODE or SYS would be");
  // GPU1's own cell is in GPU0's column: "0-55" of its affinity makes up the number.
  CHECK(
      thrown<InputError>([] {
        node_of_nvidia_smi("GPU0 GPU1 NIC0\nGPU0 X NV18 PIX 0-55\nGPU1 X PIX 0-55\n", "t.txt");
      }) ==
      "t.txt:3: \"X\" of GPU1 at GPU0: X stands where a device meets itself; is a column missing?");
}

TEST_CASE(
    "a pair that has all of a device's NVLinks is joined by a switch, one with a part is wired") {
  const auto counted = [](std::int64_t gpus, std::int64_t pair, std::int64_t of_device) {
    ImportedNode node{.gpus = gpus, .pair_nvlinks = pair, .nics = {}};
    count_nvlinks(node, of_device, "t.txt");
    return node;
  };
  // Eight H100 behind NVSwitches: each of the 18 links leads to every other GPU.
  CHECK(counted(8, 18, 18).nvlinks == 18);
  CHECK_FALSE(counted(8, 18, 18).direct);
  // Four A100 of 12 links: 3 peers x 4 links. Four H100 of 18: 3 x 6.
  CHECK(counted(4, 4, 12).nvlinks == 12);
  CHECK(counted(4, 4, 12).direct);
  CHECK(counted(4, 6, 18).nvlinks == 18);
  // 7 peers x 4 links are more than the 12 of a device: a switch, with links down.
  CHECK(counted(8, 4, 12).nvlinks == 4);
  // Of a device whose links are not known a table says a switch's.
  CHECK(counted(4, 4, 0).nvlinks == 4);
  CHECK(
      thrown<InputError>([&] { counted(8, 18, 12); }) ==
      "t.txt: 18 NVLinks of a GPU, but the device has 12: --device NAME, of one that has as many");
}

TEST_CASE("NICs near no GPU are none of the fabric's, where others are near one") {
  const ImportedNode node = node_of_nvidia_smi(
      "GPU0 NIC0 NIC1\nGPU0 X PXB NODE\nNIC0 PXB X PIX\nNIC1 NODE PIX X\n", "t.txt");
  CHECK(node.nics == std::vector<std::string>{"NIC0"});
  CHECK(node.nearest == std::vector<std::string>{"GPU0"});
  CHECK(node.far == std::vector<std::string>{"NIC1"});
  // Where none is near one, all are the fabric's.
  const ImportedNode apart = node_of_nvidia_smi("GPU0 NIC0\nGPU0 X NODE\nNIC0 NODE X\n", "t.txt");
  CHECK(apart.nics == std::vector<std::string>{"NIC0"});
  CHECK(apart.far.empty());
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

TEST_CASE(
    "of NCCL's NICs, too, those in no PCIe tree of a GPU are left out where others are in one") {
  const std::string gpu =
      "<pci class=\"0x060400\"><gpu sm=\"90\"/><net name=\"a\" speed=\"400000\"/></pci>";
  const std::string other = "<pci class=\"0x060400\"><net name=\"b\" speed=\"400000\"/></pci>";
  const ImportedNode node = node_of_nccl_xml("<system>" + gpu + other + "</system>", "n.xml");
  CHECK(node.nics == std::vector<std::string>{"a"});
  CHECK(node.far == std::vector<std::string>{"b"});
}

TEST_CASE("NVLinks of NCCL's that end at GPUs are wired directly") {
  std::string xml = kXml;
  CHECK_FALSE(node_of_nccl_xml(xml, "n.xml").direct);
  xml.replace(xml.find("0x068000"), 8, "0x030200");
  CHECK(node_of_nccl_xml(xml, "n.xml").direct);
}

TEST_CASE(
    "an XML that was cut between two tags is no smaller machine, and two machines are not one") {
  // All up to the <nic>: the GPU stands there whole.
  CHECK(thrown<InputError>([] {
          node_of_nccl_xml(kXml.substr(0, kXml.find("  <nic>")), "n.xml");
        }) == "n.xml:4: <cpu> is not closed: was it cut?");
  CHECK(thrown<InputError>([] { node_of_nccl_xml("<system><gpu/></cpu></system>", "n.xml"); }) ==
        "n.xml:1: </cpu> closes <system>, which is still open");
  CHECK(thrown<InputError>([] { node_of_nccl_xml("</system>", "n.xml"); }) ==
        "n.xml:1: </system> closes nothing");
  CHECK(thrown<InputError>([] { node_of_nccl_xml(kXml + kXml, "n.xml"); }) ==
        "n.xml:9: a second <system>: a file here is of one node");
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
