#include "validation/calibrate/device_file.h"

#include <fmt/format.h>

#include <cmath>

namespace moesim::validation {
namespace {

constexpr double kMiB = 1 << 20;
constexpr double kPcieGBps = 64;  // 5.0 x16, each way

std::string mib(double bytes) {
  return fmt::format("{} MiB", static_cast<std::int64_t>(std::floor(bytes / kMiB)));
}

// What was measured, or the base's value, and which of them it is.
std::string chosen(double measured, double base, auto&& write, const std::string& base_name) {
  return measured > 0 ? write(measured) + "  # measured" : write(base) + "  # of " + base_name;
}

}  // namespace

std::string shipped_device_of(const std::string& card) {
  // Longer names first: an H200 is no H20.
  for (const auto& [part, name] :
       {std::pair{"GB200", "gb200"}, std::pair{"GB300", "gb300"}, std::pair{"B200", "b200"},
        std::pair{"B300", "b300"}, std::pair{"H200", "h200"}, std::pair{"H100 PCIe", "h100-pcie"},
        std::pair{"H100 NVL", "h100-nvl"}, std::pair{"H100", "h100"}, std::pair{"H800", "h800"},
        std::pair{"H20", "h20"}, std::pair{"A100", "a100"}, std::pair{"A800", "a800"},
        std::pair{"L40S", "l40s"}, std::pair{"L40", "l40"}, std::pair{"RTX 4090", "rtx-4090"},
        std::pair{"RTX 5090", "rtx-5090"}, std::pair{"RTX PRO 6000 Blackwell", "rtx-pro-6000"}}) {
    if (card.find(part) != std::string::npos) return name;
  }
  return "";
}

std::string device_yaml(const OwnDevice& own, const hardware::Device& base,
                        const PointsSummary& points, const std::string& fitted) {
  const auto us = [](double value) { return fmt::format("{:.4g} us", value); };
  std::string text = fmt::format(
      "# Measured on {} (driver {}) by moesim calibrate run; what was not measured is of {}.\n"
      "name: {}\ngeneration: {}\nfamily: {}\nfitted: {}\nmultiprocessors: {}\npeak:\n",
      points.device, points.driver.empty() ? "unknown" : points.driver, base.name, own.name,
      base.generation, (own.base.parent_path() / own.base.stem()).string(), fitted,
      own.multiprocessors > 0 ? own.multiprocessors : base.multiprocessors);
  for (const auto& [precision, rate] : base.peak) {
    text +=
        fmt::format("  {}: {:.7g} TFLOP/s\n", name_of(precision), rate.flop_per_second() * 1e-12);
  }
  text += fmt::format(
      "memory:\n  capacity: {}\n  bandwidth: {} GB/s\n  l2: {}\n",
      chosen(own.memory_bytes, static_cast<double>(base.memory.count()), mib, base.name),
      base.memory_bandwidth.bytes_per_second() * 1e-9,
      chosen(own.l2_bytes, static_cast<double>(base.l2.count()), mib, base.name));
  if (base.scale_up.bytes_per_second() > 0) {
    text += fmt::format("links:\n  scale_up: {} GB/s\n  scale_out: {} GB/s\n",
                        base.scale_up.bytes_per_second() * 1e-9,
                        base.scale_out.bytes_per_second() * 1e-9);
  }
  const auto base_us = [](sim::Duration d) { return static_cast<double>(d.count()) * 1e-6; };
  text +=
      fmt::format("launch:\n  graph: {}\n  host: {}\n",
                  chosen(points.launch_us.value_or(0), base_us(base.launch_latency), us, base.name),
                  us(base_us(base.host_launch)));
  if (own.power) {
    const hardware::CardPower& card = own.power->card;
    text += fmt::format(
        "power:  # limit and idle power are of {}\n  parts: {{busy: {:.3g}, memory: {:.3g}, "
        "compute: {:.3g}, half: {:.3g}, error: {:.2g}}}  # fitted on {} loads\n"
        "  source: watts of {} under loads of three seconds\n",
        base.name, card.busy, card.memory, card.compute, card.half, card.error, own.power->loads,
        points.device);
  }
  text += fmt::format(
      "allocator:\n  context: {}\n  granularity: {}\nsource: points of {}; datasheet values of "
      "{}\n",
      chosen(points.context_bytes.value_or(0), static_cast<double>(base.context.count()), mib,
             base.name),
      mib(static_cast<double>(base.allocation_granularity.count())), points.device, base.name);
  return text;
}

std::string cluster_yaml(const std::string& device, const hardware::Device& base, int gpus) {
  const double scale_up = base.scale_up.bytes_per_second() * 1e-9;
  const std::string links =
      scale_up > 0 ? "as the datasheet of " + base.name : std::string("taken to be PCIe 5.0 x16");
  return fmt::format(
      "# One node of {} {}; its links are {}, not measured.\n"
      "name: {} x {}\ndevice: ../devices/{}.yaml\nnodes: 1\ngpus_per_node: {}\n"
      "scale_up:\n  kind: switch\n  bandwidth: {} GB/s\n  latency: 250 ns\n"
      "source: links {}\n",
      gpus, device, links, gpus, device, device, gpus, scale_up > 0 ? scale_up : kPcieGBps, links);
}

}  // namespace moesim::validation
