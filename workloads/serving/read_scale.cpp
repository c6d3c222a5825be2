#include "workloads/serving/read_scale.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/deployment/deployment.h"
#include "workloads/serving/read_requests.h"

namespace moesim::workloads::serving {

ScaleRules read_scale(const sim::io::YamlNode& node) {
  node.allow_only({"min", "max", "metric", "target", "every", "start", "settle"});
  ScaleRules rules;
  if (const auto found = node.find("min")) rules.least = found->integer(0, kMostGpus);
  if (rules.least == 0) {
    node.at("min").error("a pool without any replica is not simulated: expected 1 or more");
    rules.least = 1;
  }
  rules.most = std::max(rules.least, node.at("max").integer(1, kMostGpus));
  if (const auto most = node.find("max"); most && most->integer() < rules.least) {
    most->error(fmt::format("expected min, {}, or more", rules.least));
  }
  if (const auto found = node.find("metric")) {
    rules.metric = static_cast<ScaleMetric>(found->one_of(kScaleMetricNames));
  }
  const auto target = node.find("target");
  if (rules.metric == ScaleMetric::Rate) {
    rules.target = 1;
    if (target) {
      rules.target = read_rate(*target);
    } else {
      node.error(
          "target: missing: the requests a second that a replica carries, such as 4 /s (moesim "
          "capacity tells)");
    }
  } else if (target) {
    rules.target = target->number(1e-6, 1e9);
  } else if (rules.metric == ScaleMetric::Requests) {
    node.error("target: missing: how many requests a replica is to have at once, such as 64");
  }
  if (const auto found = node.find("every")) {
    rules.every = found->duration();
    if (rules.every == sim::Duration{}) found->error("expected a time above zero, such as 60 s");
  }
  if (const auto found = node.find("start")) rules.start = found->duration();
  if (const auto found = node.find("settle")) rules.settle = found->duration();
  return rules;
}

}  // namespace moesim::workloads::serving
