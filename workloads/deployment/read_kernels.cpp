#include "workloads/deployment/read_kernels.h"

#include "hardware/collectives/collectives.h"
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
    const auto& exchanges = all_to_all_names();
    names.all_to_all = exchanges[found->one_of(exchanges)];
  }
}

}  // namespace

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
