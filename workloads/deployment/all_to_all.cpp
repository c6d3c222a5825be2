#include "workloads/deployment/all_to_all.h"

#include "sim/check.h"

namespace moesim::workloads {
namespace {

using hardware::MulticastAlgorithm;

constexpr std::string_view kDeepEp = "deepep";

}  // namespace

const std::vector<std::string_view>& all_to_all_names() {
  static const std::vector<std::string_view> kNames = [] {
    const auto single = hardware::multicast_names();
    std::vector<std::string_view> names(single.begin(), single.end());
    names.push_back(kDeepEp);
    return names;
  }();
  return kNames;
}

void choose_all_to_all(std::string_view name, Deployment& deployment) {
  if (name.empty()) return;
  deployment.decode_tokens.reset();
  if (name == kDeepEp) {
    deployment.tokens = MulticastAlgorithm::DeepEpNormal;
    deployment.decode_tokens = MulticastAlgorithm::DeepEpLowLatency;
    return;
  }
  const auto tokens = hardware::parse_multicast(name);
  SIM_CHECK(tokens.has_value(), "a name of all_to_all_names()");
  deployment.tokens = *tokens;
}

std::string_view all_to_all_name(const Deployment& deployment) {
  return deployment.decode_tokens ? kDeepEp : hardware::traits_of(deployment.tokens).name;
}

}  // namespace moesim::workloads
