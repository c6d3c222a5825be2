// What machines say of their own network, as a cluster's file. Pure: text in, a description out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::tools {

// One node.
struct ImportedNode {
  std::int64_t gpus = 0;
  std::int64_t nvlinks = 0;       // of a GPU, to all others together; 0: PCIe alone
  std::int64_t pair_nvlinks = 0;  // of each pair, where that is what is said: count_nvlinks()
  bool direct = false;            // from GPU to GPU, no switch between them
  std::int64_t sm = 0;            // compute capability, 90 for 9.0; 0: not said
  bool several_kinds = false;     // GPUs of more than one
  double pcie_GBps = 0;           // of a GPU, each way; 0: not said
  std::vector<std::string> nics;
  double nic_Gbps = 0;                    // of one; 0: not said
  std::vector<std::string> nearest = {};  // of each NIC, where it is said: "GPU0, GPU1"
  // NICs that are none of the fabric's, and are not in `nics`: "mlx5_9 (25 Gbit/s)" where others
  // are faster, and those near no GPU where others are near one.
  std::vector<std::string> slower = {}, far = {};
};

// The table of `nvidia-smi topo -m`. Throws InputError where it is none, or where pairs of GPUs
// have different links, which a switch does not describe.
ImportedNode node_of_nvidia_smi(std::string_view text, const std::string& name);

// What NCCL_TOPO_DUMP_FILE writes: <system> with <gpu>, <nvlink>, <net>. Throws InputError.
ImportedNode node_of_nccl_xml(std::string_view text, const std::string& name);

// `nvlinks` and `direct` from the links of a pair, of devices that have `of_device` NVLinks each
// (0: not known). Through switches a pair has all of a device's; wired directly, each of its peers
// has its part of them. Throws InputError where it has more than there are.
void count_nvlinks(ImportedNode& node, std::int64_t of_device, const std::string& name);

}  // namespace moesim::tools
