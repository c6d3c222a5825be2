#include "hardware/collectives/forms/deepep_normal.h"

#include <algorithm>
#include <cmath>

#include "hardware/collectives/forms/spread.h"

namespace moesim::hardware {
namespace {

// A rank's own rows do not leave it.
constexpr double kOthers = (kRanksOfNode - 1) / kRanksOfNode;

DeepEpLoad load_of(const DeepEpShape& s) {
  if (s.load) return *s.load;
  const Spread spread = spread_of(s.nodes, s.groups, s.top_k);
  const double copies = s.tokens * spread.ranks, row = deepep_row_bytes(s);
  return {{copies * kOthers * row, s.tokens * spread.remote_nodes * row}, copies};
}

}  // namespace

std::span<const ParameterField<DeepEpNormalParameters>> DeepEpNormalModel::fields() {
  using P = DeepEpNormalParameters;
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

// One node; 1 and 2 nodes: within 7 % (median, dispatch) and 8 % (combine) of the tables.
DeepEpNormalParameters DeepEpNormalModel::defaults(std::string_view variant) {
  const bool back = variant.starts_with("combine");
  if (variant.ends_with("_internode"))
    return back ? Parameters{47.8, 29, 1.0, 0.88, 8174, 0.0001, 8.2}
                : Parameters{34.1, 28.3, 1.0, 0.95, 10786, 0.0063, 10};
  return back ? Parameters{37.8, 27, 0.652, 0.9, 15407, 0.0001, 5.1}
              : Parameters{26.3, 27, 1.0, 0.9, 18639, 0.105, 2.3};
}

Parts DeepEpNormalModel::parts(const DeepEpShape& s, const Rates& r, const Parameters& p) {
  const auto [bytes, copies] = load_of(s);
  return {.fixed_us = p.startup_us + p.per_log2_nodes_us * std::log2(s.nodes),
          .near_us = us_of(bytes.near, r.link * p.near_efficiency),
          .far_us = us_of(bytes.far, r.network * p.far_efficiency),
          .sm_us = (bytes.near / p.per_sm_bytes_us + copies * p.row_us) / s.sms,
          .power = p.overlap_power};
}

double DeepEpNormalModel::least_us(const DeepEpShape& s, const Rates& r) {
  const PortBytes bytes = load_of(s).bytes;
  return std::max(us_of(bytes.near, r.link), us_of(bytes.far, r.network));
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
