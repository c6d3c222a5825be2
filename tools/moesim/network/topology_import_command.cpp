#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>

#include "hardware/cluster.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/printable.h"
#include "sim/units_text.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/network/topology_import.h"
#include "tools/moesim/shipped.h"

namespace moesim::tools {

namespace {

// Devices of a compute capability: the one that is sold most as a node of several, and those that
// no file of NCCL's tells from it. Where there is none such the file says too little.
struct Capability {
  std::int64_t sm = 0;
  std::string_view device = {}, alike = {};
};
constexpr std::array<Capability, 8> kCapabilities{{{35, "k40"},
                                                   {70, "v100"},
                                                   {80, "a100", "a800"},
                                                   {89, {}, "l40s, l40, rtx-4090"},
                                                   {90, "h100", "h200, h20, h800"},
                                                   {100, "b200", "gb200"},
                                                   {103, "b300", "gb300"},
                                                   {120, {}, "rtx-5090, rtx-pro-6000"}}};

Capability capability_of(std::int64_t sm) {
  const auto found = std::ranges::find(kCapabilities, sm, &Capability::sm);
  return found == kCapabilities.end() ? Capability{} : *found;
}

// The device's name or file: as asked for, or by its compute capability.
std::string device_of(const Arguments& arguments, const std::string& file, const ImportedNode& node,
                      Console console) {
  if (const auto asked = arguments.find("device")) return *asked;
  if (node.several_kinds) {
    throw sim::ConfigError(fmt::format(
        "{}: has GPUs of several kinds, of which a node here has one: --device NAME", file));
  }
  const Capability usual = capability_of(node.sm);
  if (!usual.device.empty()) {
    if (!usual.alike.empty())
      console.err << fmt::format("device {}: {} have compute capability {} too (--device NAME)\n",
                                 usual.device, usual.alike, node.sm);
    return std::string(usual.device);
  }
  if (!usual.alike.empty()) {
    throw sim::ConfigError(
        fmt::format("{}: its GPUs have compute capability {}, as {} have: "
                    "--device NAME",
                    file, node.sm, usual.alike));
  }
  throw sim::ConfigError(fmt::format("{}: does not say which GPU it has: --device NAME", file));
}

// GB/s of an NVLink each way: NVLink 5; 2 to 4.
double link_GBps(const hardware::Device& device) {
  return device.generation == "blackwell" ? 50 : 25;
}

// NVLinks that a device has; 0 where its own links are PCIe.
std::int64_t nvlinks_of(const hardware::Device& device) {
  const double links = device.scale_up.bytes_per_second() * 1e-9 / link_GBps(device);
  return std::abs(links - std::round(links)) < 1e-6 ? std::llround(links) : 0;
}

sim::Bandwidth rate_of(const Arguments& arguments, const char* option) {
  const std::string text = arguments.text(option);
  const auto rate = sim::parse_bandwidth(text);
  if (rate && rate->bytes_per_second() > 0) return *rate;
  throw sim::ConfigError(fmt::format("--{}: expected a rate above zero, such as {}, not \"{}\"",
                                     option, sim::kBandwidthExample, text));
}

std::string one_line(const std::string& text) {
  return sim::printable(text, 60);
}

// `scale_out:`, where the NICs and what they carry are known and each GPU has as many; empty where
// one node does without.
std::string scale_out(const Arguments& arguments, const std::string& file, const ImportedNode& node,
                      std::int64_t nodes, Console console) {
  const auto nics = static_cast<std::int64_t>(node.nics.size());
  std::string lacks;
  if (nics == 0) {
    if (nodes == 1) return {};
    lacks = "no NICs, which would join the nodes";
  } else if (node.nic_Gbps == 0 && !arguments.has("nic-bandwidth")) {
    if (nodes > 1) {
      lacks =
          fmt::format("{} NICs, whose rate it does not say: --nic-bandwidth '400 Gbit/s'", nics);
    } else {
      console.err << fmt::format(
          "{} NIC{} left out: the file does not say what one carries (--nic-bandwidth '400 "
          "Gbit/s')\n",
          nics, nics == 1 ? "" : "s");
      return {};
    }
  } else if (nics % node.gpus != 0 && node.gpus % nics != 0) {
    lacks = fmt::format("{} NICs, which {} GPUs cannot share evenly", nics, node.gpus);
    if (nodes == 1) {
      console.err << fmt::format("{}; they are left out\n", lacks);
      return {};
    }
    lacks += ": a table, or an XML, of those of the fabric alone would do";
  }
  if (!lacks.empty()) throw sim::ConfigError(fmt::format("{}: {}", file, lacks));
  const double rate = arguments.has("nic-bandwidth")
                          ? rate_of(arguments, "nic-bandwidth").bytes_per_second() * 8e-9
                          : node.nic_Gbps;
  return fmt::format(
      "scale_out:\n  fabric: non_blocking  # not in the file\n  nics_per_node: {}\n"
      "  bandwidth: {:.4g} Gbit/s\n  latency: 1 us  # not in the file\n",
      nics, rate);
}

// What is written every other command reads.
void check_readable(const std::string& yaml, const std::string& file) {
  try {
    (void)hardware::parse_cluster(yaml, "");
  } catch (const sim::ConfigError& wrong) {
    throw sim::ConfigError(fmt::format("{}: no cluster here is like it:\n{}", file, wrong.what()));
  }
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string file = arguments.text("FILE"), from = arguments.text("from");
  const std::string text = sim::io::read_text(file);
  ImportedNode node =
      from == "nccl" ? node_of_nccl_xml(text, file) : node_of_nvidia_smi(text, file);
  const std::string device = device_of(arguments, file, node, console);
  const std::filesystem::path device_file =
      std::filesystem::absolute(find_config("devices", device)).lexically_normal();
  const hardware::Device known = hardware::load_device(device_file);
  count_nvlinks(node, nvlinks_of(known), file);
  const auto nodes = arguments.integer("nodes", 1, 65536);

  std::string yaml = fmt::format("# From {}, by moesim topology import.\n", one_line(file));
  yaml +=
      fmt::format("name: {} node{} of {} {}\ndevice: {}\nnodes: {}\ngpus_per_node: {}\n", nodes,
                  nodes == 1 ? "" : "s", node.gpus, device, device_file.string(), nodes, node.gpus);
  yaml += "scale_up:\n";
  if (node.nvlinks > 0) {
    const double each = link_GBps(known);
    const std::string latency =
        node.direct
            ? fmt::format(
                  "  # directly to the others, {:g} GB/s to each: played as a switch\n"
                  "  latency: 250 ns  # not in the file: order of magnitude of NVLink\n",
                  static_cast<double>(node.nvlinks) * each / static_cast<double>(node.gpus - 1))
            : "  latency: 250 ns  # not in the file: order of magnitude of an NVSwitch hop\n";
    yaml +=
        fmt::format("  kind: switch\n  bandwidth: {} GB/s  # {} NVLinks of {} GB/s each way\n{}",
                    static_cast<double>(node.nvlinks) * each, node.nvlinks, each, latency);
  } else if (node.gpus == 1 && node.pcie_GBps == 0) {
    yaml += "  kind: none\n";
  } else {
    if (!arguments.has("pcie-bandwidth") && node.pcie_GBps == 0) {
      throw sim::ConfigError(fmt::format(
          "{}: no NVLinks, and it does not say what PCIe carries: --pcie-bandwidth '63 GB/s'",
          file));
    }
    const double rate = arguments.has("pcie-bandwidth")
                            ? rate_of(arguments, "pcie-bandwidth").bytes_per_second() * 1e-9
                            : node.pcie_GBps;
    yaml += fmt::format(
        "  kind: pcie\n  bandwidth: {:.4g} GB/s\n"
        "  latency: 500 ns  # not in the file: order of magnitude of a PCIe switch\n",
        rate);
  }
  for (const std::string& nic : node.slower) {
    console.err << fmt::format("{} left out: others have {:g} Gbit/s\n", one_line(nic),
                               node.nic_Gbps);
  }
  for (const std::string& nic : node.far)
    console.err << fmt::format("{} left out: near no GPU, as others are\n", one_line(nic));
  yaml += scale_out(arguments, file, node, nodes, console);
  for (std::size_t n = 0; n < node.nearest.size(); ++n) {
    yaml += fmt::format("# {} is near {}\n", one_line(node.nics[n]),
                        node.nearest[n].empty() ? "no GPU" : node.nearest[n]);
  }
  for (const std::string& nic : node.far)
    yaml += fmt::format("# {} is near no GPU: left out\n", one_line(nic));
  yaml += fmt::format("source: {}\n", from == "nccl" ? "NCCL's topology" : "nvidia-smi topo -m");
  check_readable(yaml, file);
  write_result(arguments, yaml, console);
  return sim::ExitCode::Ok;
}

}  // namespace

Command topology_import_command() {
  return {
      .name = "topology-import",
      .summary = "a cluster's file from what a machine says of its own network",
      .description =
          "Also written \"topology import\". Reads the table of nvidia-smi topo -m, or what NCCL "
          "writes to NCCL_TOPO_DUMP_FILE: GPUs, NVLinks, NICs. What is not in it is said in the "
          "file's comments, or asked for.",
      .options = {{.name = "FILE",
                   .value = "",
                   .help = "what the machine says",
                   .required = true,
                   .is_file = true},
                  {.name = "--from",
                   .value = "TOOL",
                   .help = "whose output it is",
                   .required = true,
                   .choices = {"nvidia-smi", "nccl"}},
                  {.name = "--device",
                   .value = "NAME",
                   .help = "a device's .yaml or a name in configs/devices; by NCCL's sm where not "
                           "given"},
                  {.name = "--nodes", .value = "N", .help = "that are like it", .fallback = "1"},
                  {.name = "--nic-bandwidth", .value = "RATE", .help = "of a NIC, each way"},
                  {.name = "--pcie-bandwidth",
                   .value = "RATE",
                   .help = "of a GPU over PCIe, each way, where there are no NVLinks"},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the cluster's file; standard output where it is not given",
                   .is_file = true,
                   .is_output = true}},
      .examples = {"nvidia-smi topo -m > topo.txt && moesim topology import --from nvidia-smi "
                   "topo.txt --device h100 -o cluster.yaml",
                   "moesim topology import --from nccl system.xml -o cluster.yaml"},
      .run = run,
  };
}

}  // namespace moesim::tools
