#include "hardware/collectives/nccl_cost.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {
namespace {

double sent_bytes(const NcclShape& s) {
  const double part = (s.ranks - 1) / s.ranks;
  return s.bytes * part * (s.operation == NcclOperation::AllReduce ? 2 : 1);
}

}  // namespace

std::optional<NcclOperation> parse_nccl_operation(std::string_view name) {
  if (name == "all_reduce") return NcclOperation::AllReduce;
  if (name == "all_gather") return NcclOperation::AllGather;
  if (name == "reduce_scatter") return NcclOperation::ReduceScatter;
  if (name == "alltoall") return NcclOperation::AllToAll;
  return {};
}

std::span<const ParameterField<NcclCostParameters>> NcclModel::fields() {
  using P = NcclCostParameters;
  static constexpr std::array<ParameterField<P>, 10> kFields{{
      {"quick_us", &P::quick_us, 4.5, 1, 40},
      {"quick_step_us", &P::quick_step_us, 0.8, 0.01, 10},
      {"quick_efficiency", &P::quick_efficiency, 0.2, 0.01, 1},
      {"wide_us", &P::wide_us, 8, 1, 100},
      {"wide_step_us", &P::wide_step_us, 0.8, 0.01, 10},
      {"wide_efficiency", &P::wide_efficiency, 0.8, 0.1, 1.2},
      {"wide_loss", &P::wide_loss, 0.4, 0.001, 1.5},
      {"ramp_bytes", &P::ramp_bytes, 1e6, 1, 1e8},
      {"sum_us", &P::sum_us, 60, 1, 100},
      {"sum_efficiency", &P::sum_efficiency, 0.6, 0.1, 1.2},
  }};
  return kFields;
}

double NcclModel::us(const NcclShape& s, const Rates& r, const NcclCostParameters& p) {
  const double sent = sent_bytes(s), steps = s.ranks - 1;
  const double quick = p.quick_us + p.quick_step_us * steps + sent / (r.link * p.quick_efficiency);
  const double wide = p.wide_us + p.wide_step_us * steps +
                      (sent + std::sqrt(sent * p.ramp_bytes)) /
                          (r.link * p.wide_efficiency * (1 - std::min(0.9, p.wide_loss / s.ranks)));
  const double best = std::min(quick, wide);
  if (s.operation != NcclOperation::AllReduce || s.ranks <= 2) return best;
  const double once = s.bytes * (1 + 1 / s.ranks);
  const double sum = p.sum_us + once / (r.link * p.sum_efficiency);
  return std::min(best, sum);
}

double NcclModel::least_us(const NcclShape& s, const Rates& r) {
  // A switch that adds up (NVLS) lets an all-reduce send each byte once.
  const double sent = s.bytes * (s.ranks - 1) / s.ranks;
  return sent / r.link;
}

std::array<double, 2> NcclModel::features(const NcclShape& s) {
  return {std::max(1.0, s.bytes), s.ranks};
}

std::vector<std::vector<double>> NcclModel::knots() {
  return {{512, 8192, 32768, 131072, 524288, 2097152, 8388608, 67108864, 536870912}, {2, 8}};
}

std::string_view NcclModel::regime(const NcclShape& s, const Rates&) {
  return s.bytes <= 65536 ? "small" : s.bytes <= 4194304 ? "medium" : "large";
}

}  // namespace moesim::hardware
