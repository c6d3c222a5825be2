#include "workloads/deployment/read_kernels.h"

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"

namespace moesim::workloads {

void read_kernels(const sim::io::YamlNode& node, KernelNames& names) {
  node.allow_only({"gemm", "moe", "attention", "all_reduce", "all_to_all"});
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
    const auto exchanges = hardware::multicast_names();
    names.all_to_all = exchanges[found->one_of(exchanges)];
  }
}

}  // namespace moesim::workloads
