#include "tools/study/study_inputs.h"

#include <algorithm>

#include "hardware/kernels/kernel_pool.h"
#include "hardware/named_device.h"

namespace moesim::tools {

StudyInputs::StudyInputs(workloads::Shipped shipped,
                         std::shared_ptr<const workloads::TraceCache> traces)
    : shipped_(std::move(shipped)),
      traces_(std::move(traces)),
      hashes_(std::make_shared<sim::io::FileHashes>()) {
  shipped_.cluster = [this](const auto& file, const auto& changes) {
    return cluster(file, changes);
  };
}

workloads::Scenario StudyInputs::load(const std::filesystem::path& file,
                                      const std::vector<std::string>& overrides) {
  return read(workloads::open_scenario(file, overrides));
}

workloads::Scenario StudyInputs::read(const sim::io::YamlDocument& document) {
  workloads::Scenario scenario = workloads::read_scenario(document.root(), shipped_);
  scenario.inputs.hashes = hashes_;
  scenario.deployment.routing.cache = traces_;
  return scenario;
}

hardware::Cluster StudyInputs::cluster(const std::filesystem::path& file,
                                       const workloads::ClusterChanges& changes) {
  const std::pair key(file, changes);
  {
    const std::lock_guard lock(mutex_);
    const auto found = clusters_.find(key);
    if (found != clusters_.end() && std::ranges::all_of(found->second.stamps, [](const auto& s) {
          return sim::io::stamp_of(s.first) == s.second;
        }))
      return found->second.cluster;
  }
  // Its other files are known by name once it is loaded.
  const sim::io::FileStamp before = sim::io::stamp_of(file);
  hardware::NamedDevice named;
  if (shipped_.find)
    named = [&](const std::string& name) { return shipped_.find("devices", name); };
  Known known{.cluster = hardware::load_cluster_with(file, changes, named)};
  known.cluster.kernels = std::make_shared<hardware::KernelPool>(known.cluster.device);
  known.stamps.emplace_back(file, before);
  for (const std::filesystem::path& part : known.cluster.device.files)
    known.stamps.emplace_back(part, sim::io::stamp_of(part));
  hardware::Cluster cluster = known.cluster;
  const std::lock_guard lock(mutex_);
  clusters_[key] = std::move(known);
  return cluster;
}

}  // namespace moesim::tools
