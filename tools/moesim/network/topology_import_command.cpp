#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "sim/io/csv.h"
#include "sim/printable.h"
#include "sim/units_text.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/network/topology_import.h"
#include "tools/moesim/shipped.h"

namespace moesim::tools {

namespace {

// Devices of a compute capability that are sold as a node of several: the first, and those that no
// file of NCCL's tells from it. Others are asked for.
struct Capability {
  std::int64_t sm = 0;
  std::string_view device = {}, alike = {};
};
constexpr std::array<Capability, 4> kCapabilities{
    {{70, "v100"}, {80, "a100", "a800"}, {90, "h100", "h200, h20, h800"}, {100, "b200", "gb200"}}};

Capability capability_of(std::int64_t sm) {
  const auto found = std::ranges::find(kCapabilities, sm, &Capability::sm);
  return found == kCapabilities.end() ? Capability{} : *found;
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

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string file = arguments.text("FILE"), from = arguments.text("from");
  const std::string text = sim::io::read_text(file);
  const ImportedNode node =
      from == "nccl" ? node_of_nccl_xml(text, file) : node_of_nvidia_smi(text, file);
  const Capability usual = capability_of(node.sm);
  std::string device = arguments.find("device").value_or(std::string(usual.device));
  if (node.several_kinds && !arguments.has("device"))
    throw sim::ConfigError(fmt::format(
        "{}: has GPUs of several kinds, of which a node here has one: --device NAME", file));
  if (!arguments.has("device") && !usual.alike.empty())
    console.err << fmt::format("device {}: {} have compute capability {} too (--device NAME)\n",
                               device, usual.alike, node.sm);
  if (device.empty()) {
    throw sim::ConfigError(fmt::format("{}: does not say which GPU it has: --device NAME", file));
  }
  const std::filesystem::path device_file =
      std::filesystem::absolute(find_config("devices", device)).lexically_normal();
  const bool blackwell = node.sm >= 100 || device.starts_with("b2") || device.starts_with("b3") ||
                         device.starts_with("gb");
  const auto nodes = arguments.integer("nodes", 1, 65536);

  std::string yaml = fmt::format("# From {}, by moesim topology import.\n", one_line(file));
  yaml +=
      fmt::format("name: {} node{} of {} {}\ndevice: {}\nnodes: {}\ngpus_per_node: {}\n", nodes,
                  nodes == 1 ? "" : "s", node.gpus, device, device_file.string(), nodes, node.gpus);
  yaml += "scale_up:\n";
  if (node.nvlinks > 0) {
    const double each = blackwell ? 50 : 25;  // NVLink 5; NVLink 2 to 4
    yaml += fmt::format(
        "  kind: switch\n  bandwidth: {} GB/s  # {} NVLinks of {} GB/s each way\n"
        "  latency: 250 ns  # not in the file: order of magnitude of an NVSwitch hop\n",
        static_cast<double>(node.nvlinks) * each, node.nvlinks, each);
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
  if (!node.nics.empty() && (node.nic_Gbps > 0 || arguments.has("nic-bandwidth"))) {
    const double rate = arguments.has("nic-bandwidth")
                            ? rate_of(arguments, "nic-bandwidth").bytes_per_second() * 8e-9
                            : node.nic_Gbps;
    yaml += fmt::format(
        "scale_out:\n  fabric: non_blocking  # not in the file\n  nics_per_node: {}\n"
        "  bandwidth: {:.4g} Gbit/s\n  latency: 1 us  # not in the file\n",
        node.nics.size(), rate);
  } else if (nodes > 1) {
    throw sim::ConfigError(
        fmt::format("{}: {} NICs, whose rate it does not say: --nic-bandwidth '400 Gbit/s'", file,
                    node.nics.size()));
  } else if (!node.nics.empty()) {
    console.err << fmt::format(
        "{} NIC{} left out: the file does not say what one carries (--nic-bandwidth '400 "
        "Gbit/s')\n",
        node.nics.size(), node.nics.size() == 1 ? "" : "s");
  }
  for (const std::string& nic : node.slower) {
    console.err << fmt::format("{} left out: others have {:g} Gbit/s\n", one_line(nic),
                               node.nic_Gbps);
  }
  for (std::size_t n = 0; n < node.nearest.size(); ++n) {
    yaml += fmt::format("# {} is near {}\n", one_line(node.nics[n]),
                        node.nearest[n].empty() ? "no GPU" : node.nearest[n]);
  }
  yaml += fmt::format("source: {}\n", from == "nccl" ? "NCCL's topology" : "nvidia-smi topo -m");
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
