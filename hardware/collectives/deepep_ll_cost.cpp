#include "hardware/collectives/deepep_ll_cost.h"

#include <algorithm>
#include <cmath>

#include "hardware/collectives/spread.h"

namespace moesim::hardware {
namespace {

constexpr double kHeader = 16;     // bytes before each message on the way out
constexpr double kGroupsOfSm = 3;  // warp groups of an SM, one for each group of the exchange

struct Volume {
  double near, far, messages;  // bytes, bytes, messages over the NIC
};

Volume volume_of(const DeepEpShape& s) {
  const double message = deepep_row_bytes(s) + (s.combine ? 0 : kHeader);
  const double rows = s.tokens * s.top_k, remote = rows * (s.nodes - 1) / s.nodes;
  const double near = rows * (kRanksOfNode - 1) / (kRanksOfNode * s.nodes);
  return {near * message, remote * message, remote};
}

}  // namespace

std::span<const ParameterField<DeepEpLlCostParameters>> DeepEpLlModel::fields() {
  using P = DeepEpLlCostParameters;
  static constexpr std::array<ParameterField<P>, 8> kFields{{
      {"startup_us", &P::startup_us, 10, 2, 60},
      {"per_log2_nodes_us", &P::per_log2_nodes_us, 6, 0.5, 30},
      {"per_group_ns", &P::per_group_ns, 10, 0.1, 60},
      {"near_efficiency", &P::near_efficiency, 0.55, 0.1, 1},
      {"far_efficiency", &P::far_efficiency, 0.97, 0.6, 1},
      {"message_ns", &P::message_ns, 1, 0.01, 100},
      {"token_us", &P::token_us, 0.5, 0.001, 5},
      {"overlap_power", &P::overlap_power, 2, 1, 12},
  }};
  return kFields;
}

double DeepEpLlModel::us(const DeepEpShape& s, const Rates& r, const Parameters& p) {
  const Volume v = volume_of(s);
  const double near = v.near / (r.link * p.near_efficiency);
  const double far =
      s.nodes > 1 ? v.far / (r.network * p.far_efficiency) + v.messages * p.message_ns * 1e-3 : 0;
  const double sm = s.tokens * p.token_us / std::ceil(s.groups / kGroupsOfSm);
  const double q = p.overlap_power;
  return p.startup_us + p.per_log2_nodes_us * std::log2(s.nodes) +
         p.per_group_ns * 1e-3 * s.groups +
         std::pow(std::pow(near, q) + std::pow(far, q) + std::pow(sm, q), 1 / q);
}

double DeepEpLlModel::least_us(const DeepEpShape& s, const Rates& r) {
  const Volume v = volume_of(s);
  return std::max(v.near / r.link, s.nodes > 1 ? v.far / r.network : 0);
}

std::array<double, 5> DeepEpLlModel::features(const DeepEpShape& s) {
  return {s.tokens, s.groups, s.top_k, s.hidden, s.nodes};
}

std::vector<std::vector<double>> DeepEpLlModel::knots() {
  return {};
}

std::string_view DeepEpLlModel::regime(const DeepEpShape& s, const Rates&) {
  return s.tokens <= 32 ? "small" : "large";
}

}  // namespace moesim::hardware
