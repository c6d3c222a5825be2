#include "workloads/deployment/read_kernels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "hardware/collectives/collectives.h"
#include "hardware/kernels/training_attention.h"
#include "workloads/deployment/all_to_all.h"

namespace moesim::workloads {
namespace {

void read_names(const sim::io::YamlNode& node, KernelNames& names) {
  const auto read = [&](const char* key, std::string& name) {
    if (const auto found = node.find(key)) name = found->text();
  };
  read("gemm", names.kernels.gemm);
  read("moe", names.kernels.moe);
  read("attention", names.kernels.attention);
  if (const auto found = node.find("all_reduce")) {
    const auto libraries = hardware::all_reduce_names();
    names.all_reduce = libraries[found->one_of(libraries)];
  }
  if (const auto found = node.find("all_to_all")) {
    names.all_to_all = read_exchange(*found, all_to_all_names());
  }
}

}  // namespace

std::string_view read_exchange(const sim::io::YamlNode& node,
                               std::span<const std::string_view> names) {
  if (node.is_scalar() && node.text() == "allgather") return "all_gather";
  if (node.is_scalar() && node.text() == "hybridep") return "hybrid_ep";
  return names[node.one_of(names)];
}

void read_training_kernels(const sim::io::YamlNode& node, KernelNames& names) {
  if (const auto moe = node.find("moe"); moe && moe->text() != "transformer_engine")
    moe->error("training computes experts as a product each, by the kernels of kernels.gemm: " +
               fmt::format("leave it out, or transformer_engine, not \"{}\"", moe->text()));
  names.kernels.moe.clear();
  const auto attention = node.find("attention");
  if (attention && !hardware::core_named(attention->text())) {
    attention->error(fmt::format("attention is trained by {} (training.attention), not \"{}\"",
                                 fmt::join(hardware::kTrainingCoreNames, " or "),
                                 attention->text()));
    names.kernels.attention.clear();
  }
}

void read_kernels(const sim::io::YamlNode& node, KernelNames& names) {
  node.allow_only({"gemm", "moe", "attention", "all_reduce", "all_to_all"});
  read_names(node, names);
}

EngineKernels EngineKernels::read(const sim::io::YamlNode& node) {
  node.allow_only({"gemm", "moe", "attention", "all_reduce", "all_to_all", "on"});
  EngineKernels kernels;
  read_names(node, kernels.all_);
  if (const auto on = node.find("on")) {
    for (const auto& [generation, names] : on->entries()) {
      KernelNames& here = kernels.on_[generation] = kernels.all_;
      read_kernels(names, here);
    }
  }
  return kernels;
}

KernelNames EngineKernels::on(const std::string& generation) const {
  const auto found = on_.find(generation);
  return found == on_.end() ? all_ : found->second;
}

}  // namespace moesim::workloads
