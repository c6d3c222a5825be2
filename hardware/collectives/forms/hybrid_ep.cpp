#include "hardware/collectives/forms/hybrid_ep.h"

namespace moesim::hardware {

// They start where its public rows are: 750 GB/s of 900 with 16 multiprocessors in one NVLink
// domain, and of 32 H100 the network's (docs/README_Hybrid-EP.md of DeepEP's branch, 94a9f8f6).
std::span<const ParameterField<DeepEpNormalParameters>> HybridEpModel::fields() {
  using P = DeepEpNormalParameters;
  static constexpr std::array<ParameterField<P>, 7> kFields{{
      {"startup_us", &P::startup_us, 34, 5, 150},
      {"per_log2_nodes_us", &P::per_log2_nodes_us, 14, 0.5, 60},
      {"near_efficiency", &P::near_efficiency, 0.85, 0.3, 1},
      {"far_efficiency", &P::far_efficiency, 0.82, 0.5, 1},
      {"per_sm_bytes_us", &P::per_sm_bytes_us, 1e5, 1e3, 1e6},
      {"row_us", &P::row_us, 1e-6, 1e-6, 1},
      {"overlap_power", &P::overlap_power, 8, 1, 12},
  }};
  return kFields;
}

DeepEpNormalParameters HybridEpModel::defaults(std::string_view variant) {
  return variant.starts_with("combine") ? Parameters{48, 14, 0.8, 0.8, 1e5, 1e-6, 8}
                                        : Parameters{34, 14, 0.85, 0.82, 1e5, 1e-6, 8};
}

}  // namespace moesim::hardware
