#include "tools/study/doubt.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "workloads/report/structure.h"

namespace moesim::tools {

Moves moves_of(std::string_view key) {
  if (key.find("step_time_us.") != std::string_view::npos) return Moves::WithTime;
  const bool rate = key.ends_with("tokens_per_s") || key.ends_with("tokens_per_s_per_gpu");
  return rate ? Moves::AgainstTime : Moves::Not;
}

std::optional<Doubt> Doubt::of(const sim::io::Json& report) {
  if (!report.contains("doubt") || !report.contains("step_time_us")) return {};
  const double time = report.at("step_time_us").at("mean");
  if (time <= 0) return {};
  Doubt doubt;
  for (std::size_t f = 0; f < workloads::kFactors; ++f) {
    const auto found = report.at("doubt").find(std::string(workloads::kFactorNames[f]));
    if (found == report.at("doubt").end()) continue;
    const double us = found->at("us");
    doubt.share_[f] = us / time;
    doubt.less_[f] = (us - found->at("p10_us").get<double>()) / time;
    doubt.more_[f] = (found->at("p90_us").get<double>() - us) / time;
  }
  return doubt;
}

double Doubt::scale(const Draw& draw) const {
  constexpr double kLeast = 0.01;  // a draw far out takes more than there is
  double scale = 1;
  for (std::size_t f = 0; f < workloads::kFactors; ++f)
    scale += draw.longer[f] * share_[f] + draw.models[f] / workloads::kTenthDeviation *
                                              (draw.models[f] < 0 ? less_[f] : more_[f]);
  return std::max(kLeast, scale) * std::exp(workloads::kStepStructure * draw.structure);
}

}  // namespace moesim::tools
