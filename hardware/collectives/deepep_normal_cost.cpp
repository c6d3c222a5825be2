#include "hardware/collectives/deepep_normal_cost.h"

#include <algorithm>
#include <cmath>

#include "hardware/collectives/spread.h"

namespace moesim::hardware {
namespace {

// A rank's own rows do not leave it.
constexpr double kOthers = (kRanksOfNode - 1) / kRanksOfNode;

struct Volume {
  double copies, near, far;  // rows x destinations; bytes over scale-up and over the NIC
};

Volume volume_of(const DeepEpShape& s) {
  const Spread spread = spread_of(s.nodes, s.groups, s.top_k);
  const double copies = s.tokens * spread.ranks, row = deepep_row_bytes(s);
  return {copies, copies * kOthers * row, s.tokens * spread.remote_nodes * row};
}

}  // namespace

double deepep_row_bytes(const DeepEpShape& s) {
  return s.hidden * (s.combine ? 2.0 : 33.0 / 32.0);
}

std::span<const ParameterField<DeepEpNormalCostParameters>> DeepEpNormalModel::fields() {
  using P = DeepEpNormalCostParameters;
  static constexpr std::array<ParameterField<P>, 7> kFields{{
      {"startup_us", &P::startup_us, 30, 5, 150},
      // From two nodes to four, of published figures of the same kernels at small batches: 11 us
      // (dispatch) and 9 (combine) to move, and 30 to 50, 20 more, to notify. A table of two nodes
      // cannot tell it from the start-up, so the range is narrow.
      {"per_log2_nodes_us", &P::per_log2_nodes_us, 27, 25, 29},
      {"near_efficiency", &P::near_efficiency, 0.75, 0.3, 1},
      // 45 of 50 GB/s is what the same kernels reach over four nodes.
      {"far_efficiency", &P::far_efficiency, 0.9, 0.88, 0.95},
      {"per_sm_bytes_us", &P::per_sm_bytes_us, 18e3, 1e3, 1e5},
      {"row_us", &P::row_us, 0.02, 1e-4, 1},
      {"overlap_power", &P::overlap_power, 3, 1, 12},
  }};
  return kFields;
}

double DeepEpNormalModel::us(const DeepEpShape& s, const Rates& r, const Parameters& p) {
  const Volume v = volume_of(s);
  const double near = v.near / (r.link * p.near_efficiency);
  const double sm = (v.near / p.per_sm_bytes_us + v.copies * p.row_us) / s.sms;
  const double far = s.nodes > 1 ? v.far / (r.network * p.far_efficiency) : 0;
  const double q = p.overlap_power;
  return p.startup_us + p.per_log2_nodes_us * std::log2(s.nodes) +
         std::pow(std::pow(near, q) + std::pow(sm, q) + std::pow(far, q), 1 / q);
}

double DeepEpNormalModel::least_us(const DeepEpShape& s, const Rates& r) {
  const Volume v = volume_of(s);
  return std::max(v.near / r.link, s.nodes > 1 ? v.far / r.network : 0);
}

std::array<double, 5> DeepEpNormalModel::features(const DeepEpShape& s) {
  return {s.tokens, s.sms, s.top_k, s.hidden, s.nodes};
}

std::vector<std::vector<double>> DeepEpNormalModel::knots() {
  return {{1, 32, 256, 1024, 8192, 131072}, {4, 12, 24}, {1, 4, 8}, {2048, 7168}};
}

std::string_view DeepEpNormalModel::regime(const DeepEpShape& s, const Rates&) {
  return s.tokens <= 64 ? "small" : s.tokens <= 1024 ? "medium" : "large";
}

}  // namespace moesim::hardware
