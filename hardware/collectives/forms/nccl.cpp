#include "hardware/collectives/forms/nccl.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {
namespace {

// What the quick protocol loses inside a node it loses on the network.
constexpr double kQuickOverNodes = 0.5;
// The network's ramp, as a part of the links'.
constexpr double kRampOverNodes = 0.1;

PortBytes sent_of(const NcclShape& s) {
  if (s.sent) return *s.sent;
  const double n = s.ranks * s.nodes, part = (n - 1) / n;
  const bool far = s.nodes > 1;
  switch (s.operation) {
    case NcclOperation::SendReceive:
      return far ? PortBytes{0, s.bytes} : PortBytes{s.bytes, 0};
    case NcclOperation::AllToAll:
      return {s.bytes * (s.ranks - 1) / n, s.bytes * (n - s.ranks) / n};
    default:
      break;
  }
  const double w = s.operation == NcclOperation::Broadcast   ? s.bytes
                   : s.operation == NcclOperation::AllReduce ? 2 * part * s.bytes
                                                             : part * s.bytes;
  return far ? PortBytes{w * (s.ranks - 1) / s.ranks, w / s.ranks} : PortBytes{w, 0};
}

bool can_sum(const NcclShape& s) {
  return s.operation == NcclOperation::AllReduce && s.ranks > 2 && s.nodes == 1 && s.has_switch;
}

Parts sum(const NcclShape& s, const Rates& r, const NcclParameters& p) {
  return {.fixed_us = p.sum_us,
          .near_us = us_of(s.bytes * (1 + 1 / s.ranks), r.link * p.sum_efficiency)};
}

Parts ring(const NcclShape& s, const Rates& r, const NcclParameters& p) {
  const PortBytes sent = sent_of(s);
  const bool one_step = s.operation == NcclOperation::SendReceive;
  const bool doublings = one_step || s.operation == NcclOperation::AllToAll;
  const double steps = one_step ? 0 : s.ranks - 1;
  const double kept = one_step ? 1 : 1 - std::min(0.9, p.wide_loss / std::max(s.ranks, 2.0));
  const auto ramped = [&](double bytes, double ramp) {
    return one_step ? bytes : bytes + std::sqrt(bytes * ramp);
  };
  const double far = r.network * p.network_efficiency;
  const bool crowded = s.through_host && s.ranks > 2 && !one_step;
  const double link =
      r.link * (crowded ? std::pow(p.doubling_efficiency, std::log2(s.ranks / 2)) : 1);
  const Parts quick{
      .fixed_us = p.quick_us + p.quick_step_us * steps + p.node_us * std::log2(s.nodes),
      .near_us = us_of(sent.near, link * p.quick_efficiency),
      .far_us = us_of(sent.far, far * kQuickOverNodes)};
  const Parts wide{
      .fixed_us = p.wide_us + p.wide_step_us * steps +
                  p.node_us * (doublings ? std::log2(s.nodes) : s.nodes - 1),
      .near_us = us_of(ramped(sent.near, p.ramp_bytes), link * p.wide_efficiency * kept),
      .far_us = us_of(ramped(sent.far, p.ramp_bytes * kRampOverNodes), far)};
  return quick.us() < wide.us() ? quick : wide;
}

}  // namespace

std::optional<NcclOperation> parse_nccl_operation(std::string_view name) {
  if (name == "all_reduce") return NcclOperation::AllReduce;
  if (name == "all_gather") return NcclOperation::AllGather;
  if (name == "reduce_scatter") return NcclOperation::ReduceScatter;
  if (name == "alltoall") return NcclOperation::AllToAll;
  return {};
}

std::span<const ParameterField<NcclParameters>> NcclModel::fields() {
  using P = NcclParameters;
  static constexpr std::array<ParameterField<P>, 13> kFields{{
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
      {"doubling_efficiency", &P::doubling_efficiency, 0.28, 0.1, 1, ParameterField<P>::kOptional},
      {"node_us", &P::node_us, 5, 0.1, 100, ParameterField<P>::kOptional},
      {"network_efficiency", &P::network_efficiency, 0.9, 0.05, 1, ParameterField<P>::kOptional},
  }};
  return kFields;
}

// A send: from 64 B over InfiniBand across leaves, 3.7 us (arXiv 2505.09343, table 5), and a
// kernel.
NcclParameters NcclModel::defaults(std::string_view variant) {
  NcclParameters p;
  if (variant.starts_with("all_reduce")) {
    p.quick_us = 5;
    p.quick_step_us = 1.5;
  } else if (variant.starts_with("alltoall")) {
    p.quick_us = 6.5;
    p.quick_step_us = 0.1;
  } else if (variant.starts_with("send_receive")) {
    p.quick_us = 5;
  }
  return p;
}

NcclAlgorithm NcclModel::quickest(const NcclShape& s, const Rates& r, const NcclParameters& p) {
  return can_sum(s) && sum(s, r, p).us() < ring(s, r, p).us() ? NcclAlgorithm::Switch
                                                              : NcclAlgorithm::Ring;
}

Parts NcclModel::parts(const NcclShape& s, const Rates& r, const NcclParameters& p) {
  const NcclAlgorithm algorithm =
      s.algorithm == NcclAlgorithm::Quickest ? quickest(s, r, p) : s.algorithm;
  return algorithm == NcclAlgorithm::Switch ? sum(s, r, p) : ring(s, r, p);
}

double NcclModel::least_us(const NcclShape& s, const Rates& r) {
  // A switch that adds up (NVLS) lets an all-reduce send each byte once.
  const double once = s.operation == NcclOperation::AllReduce ? 0.5 : 1;
  const PortBytes sent = sent_of(s);
  return once * std::max(us_of(sent.near, r.link), us_of(sent.far, r.network));
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
