#include "hardware/collectives/forms/deepep_low_latency.h"

#include <algorithm>
#include <cmath>

#include "hardware/collectives/forms/spread.h"

namespace moesim::hardware {
namespace {

constexpr double kGroupsOfSm = 3;  // warp groups of an SM, one for each group of the exchange

DeepEpLoad load_of(const DeepEpShape& s) {
  if (s.load) return *s.load;
  const double message = deepep_row_bytes(s) + (s.combine ? 0 : kLowLatencyHeader);
  const double rows = s.tokens * s.top_k, remote = rows * (s.nodes - 1) / s.nodes;
  const double near = rows * (kRanksOfNode - 1) / (kRanksOfNode * s.nodes);
  return {{near * message, remote * message}, remote};
}

}  // namespace

std::span<const ParameterField<DeepEpLlParameters>> DeepEpLlModel::fields() {
  using P = DeepEpLlParameters;
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

// 1, 2 and 4 nodes: within 3 % (median, dispatch) and 4 % (combine) of the tables.
DeepEpLlParameters DeepEpLlModel::defaults(std::string_view variant) {
  return variant.starts_with("combine") ? Parameters{10.1, 7.75, 6.5, 0.486, 0.959, 1, 0.117, 1.27}
                                        : Parameters{8.4, 6.6, 15.1, 0.546, 0.959, 1, 0.86, 3.1};
}

Parts DeepEpLlModel::parts(const DeepEpShape& s, const Rates& r, const Parameters& p) {
  const auto [bytes, messages] = load_of(s);
  return {.fixed_us = p.startup_us + p.per_log2_nodes_us * std::log2(s.nodes) +
                      p.per_group_ns * 1e-3 * s.groups,
          .near_us = us_of(bytes.near, r.link * p.near_efficiency),
          .far_us = us_of(bytes.far, r.network * p.far_efficiency) + messages * p.message_ns * 1e-3,
          .sm_us = s.tokens * p.token_us / std::max(1.0, std::ceil(s.groups / kGroupsOfSm)),
          .power = p.overlap_power};
}

double DeepEpLlModel::least_us(const DeepEpShape& s, const Rates& r) {
  const PortBytes bytes = load_of(s).bytes;
  return std::max(us_of(bytes.near, r.link), us_of(bytes.far, r.network));
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
