#include "workloads/deployment/choose_kernels.h"

#include "hardware/collectives/collectives.h"
#include "sim/error.h"
#include "workloads/deployment/all_to_all.h"

namespace moesim::workloads {

void choose_kernels(const KernelNames& names, Deployment& d) {
  const auto take = [](const std::string& name, std::string& into) {
    if (!name.empty()) into = name;
  };
  take(names.kernels.gemm, d.kernels.gemm);
  take(names.kernels.moe, d.kernels.moe);
  take(names.kernels.attention, d.kernels.attention);
  if (!names.all_reduce.empty()) d.all_reduce = hardware::all_reduce_named(names.all_reduce);
  choose_all_to_all(names.all_to_all, d);
}

void check_kernels(const sim::io::YamlNode& node, const Deployment& d) {
  const auto kernels = node.find("kernels");
  if (!kernels || d.cluster.topology == nullptr) return;
  hardware::KernelChoice choice = d.kernels;
  if (node.find("training")) choice.attention.clear();  // read_training_kernels looked at it
  try {
    (void)hardware::resolve(d.cluster.device, choice);
  } catch (const sim::ConfigError& error) {
    // "kernels.moe: there is no implementation …"
    const std::string_view text = error.what();
    constexpr std::string_view kStart = "kernels.";
    const std::size_t colon = text.find(": ");
    if (!text.starts_with(kStart) || colon == std::string_view::npos) {
      kernels->error(std::string(text));
      return;
    }
    const auto named = kernels->find(text.substr(kStart.size(), colon - kStart.size()));
    (named ? *named : *kernels).error(std::string(text.substr(colon + 2)));
  }
}

}  // namespace moesim::workloads
