#include "tools/moesim/sized_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>
#include <tuple>

#include "hardware/named_device.h"
#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/shipped.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

struct Candidate {
  fs::path file;
  std::int64_t nodes = 0, gpus = 0;
  std::string stem() const { return file.stem().string(); }
};

// Files named DEVICE-…, of the first place that has the name.
std::vector<Candidate> candidates_of(const std::string& device) {
  std::vector<Candidate> candidates;
  std::set<std::string> names;
  std::error_code error;
  for (const fs::path& place : config_places()) {
    for (const auto& entry : fs::directory_iterator(place / "clusters", error)) {
      const fs::path& file = entry.path();
      if (file.extension() != ".yaml" || !file.stem().string().starts_with(device + "-")) continue;
      if (!names.insert(file.stem().string()).second) continue;
      const auto document = sim::io::YamlDocument::load(file);
      const auto root = document.root();
      candidates.push_back({file, root.at("nodes").integer(), root.at("gpus_per_node").integer()});
    }
  }
  std::ranges::sort(candidates, {}, [](const Candidate& c) {
    return std::tuple(-c.nodes, c.stem().size(), c.stem());
  });
  return candidates;
}

}  // namespace

std::optional<workloads::SizedCluster> sized_cluster(const std::string& text) {
  constexpr std::ptrdiff_t kMostDigits = 7;
  static const std::regex kSize("([A-Za-z0-9_.-]+):([0-9]+)x([0-9]+)");
  std::smatch parts;
  if (!std::regex_match(text, parts, kSize)) return {};
  if (parts[2].length() > kMostDigits || parts[3].length() > kMostDigits) {
    throw sim::ConfigError(fmt::format(
        "\"{}\": expected nodes and GPUs a node of at most {} digits", text, kMostDigits));
  }
  std::string device = parts[1];
  std::ranges::transform(device, device.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::int64_t nodes = std::stoll(parts[2]), gpus = std::stoll(parts[3]);
  const std::vector<Candidate> candidates = candidates_of(device);
  if (candidates.empty()) {
    throw sim::ConfigError(
        fmt::format("\"{}\": no cluster of \"{}\" is known (moesim list clusters)", text, device));
  }
  std::set<std::int64_t> sizes, sizes_of_many;
  const Candidate* best = nullptr;
  const std::string exact = fmt::format("{}-{}x{}", device, nodes, gpus);
  for (const Candidate& candidate : candidates) {
    sizes.insert(candidate.gpus);
    if (candidate.nodes > 1) sizes_of_many.insert(candidate.gpus);
    if (candidate.gpus != gpus || (nodes > 1 && candidate.nodes == 1)) continue;
    if (best == nullptr || candidate.stem() == exact) best = &candidate;
  }
  if (nodes < 1 || best == nullptr) {
    const bool many = nodes > 1;
    const auto& known = many ? sizes_of_many : sizes;
    throw sim::ConfigError(known.empty()
                               ? fmt::format("\"{}\": clusters of {} have one node", text, device)
                               : fmt::format("\"{}\": {} of {} have {} GPUs, such as {}:{}x{}",
                                             text, many ? "nodes of clusters" : "nodes", device,
                                             fmt::join(known, " or "), device, many ? nodes : 1,
                                             *known.rbegin()));
  }
  workloads::SizedCluster sized{.file = best->file};
  if (best->nodes != nodes) {
    sized.changes.push_back({.path = "nodes", .value = std::to_string(nodes), .where = text});
  }
  return sized;
}

hardware::Cluster named_cluster(const std::string& text,
                                const workloads::ClusterChanges& overrides) {
  workloads::SizedCluster sized;
  std::error_code error;
  if (auto found = fs::exists(text, error) ? std::nullopt : sized_cluster(text)) {
    sized = std::move(*found);
  } else {
    sized.file = find_config("clusters", text);
  }
  sized.changes.insert(sized.changes.end(), overrides.begin(), overrides.end());
  return hardware::load_cluster_with(sized.file, sized.changes, [](const std::string& name) {
    return find_shipped("devices", name);
  });
}

}  // namespace moesim::tools
