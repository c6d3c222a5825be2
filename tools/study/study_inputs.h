// Loads the scenarios of a study, and what many of them share once: clusters with their device's
// fits and kernels, unpacked traces, hashes of files. A file that changes meanwhile is read anew.
// From any thread.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sim/io/file_hashes.h"
#include "workloads/scenario.h"

namespace moesim::tools {

class StudyInputs {
 public:
  StudyInputs(workloads::Shipped shipped, std::shared_ptr<const workloads::TraceCache> traces);

  // What load_scenario(file, overrides, shipped) gives, and throws as it does.
  workloads::Scenario load(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides);
  // Of a document: what read_scenario(root, shipped) gives, and throws as it does.
  workloads::Scenario read(const sim::io::YamlDocument& document);

 private:
  using Stamps = std::vector<std::pair<std::filesystem::path, sim::io::FileStamp>>;
  struct Known {
    hardware::Cluster cluster;
    Stamps stamps = {};  // of the files that it was read from
  };
  hardware::Cluster cluster(const std::filesystem::path& file,
                            const workloads::ClusterChanges& changes);

  workloads::Shipped shipped_;
  std::shared_ptr<const workloads::TraceCache> traces_;
  std::shared_ptr<sim::io::FileHashes> hashes_;
  std::mutex mutex_;
  std::map<std::pair<std::filesystem::path, workloads::ClusterChanges>, Known> clusters_;
};

}  // namespace moesim::tools
