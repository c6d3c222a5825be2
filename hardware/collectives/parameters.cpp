#include "hardware/collectives/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hardware/choose_fitted.h"
#include "sim/error.h"

namespace moesim::hardware {

namespace {

template <class P>
using Field = std::pair<std::string_view, double P::*>;

// Parameters of a fit, by name; those that it lacks stay as they are.
template <class P, std::size_t N>
void take(const FittedModel& model, const std::array<Field<P>, N>& fields, P& into) {
  for (const auto& [name, member] : fields) {
    const auto found = model.parameters.find(std::string(name));
    if (found != model.parameters.end()) into.*member = found->second;
  }
}

constexpr std::array<Field<NcclParameters>, 12> kNcclFields{{
    {"quick_us", &NcclParameters::quick_us},
    {"quick_step_us", &NcclParameters::quick_step_us},
    {"quick_efficiency", &NcclParameters::quick_efficiency},
    {"wide_us", &NcclParameters::wide_us},
    {"wide_step_us", &NcclParameters::wide_step_us},
    {"wide_efficiency", &NcclParameters::wide_efficiency},
    {"wide_loss", &NcclParameters::wide_loss},
    {"ramp_bytes", &NcclParameters::ramp_bytes},
    {"sum_us", &NcclParameters::sum_us},
    {"sum_efficiency", &NcclParameters::sum_efficiency},
    {"node_us", &NcclParameters::node_us},
    {"network_efficiency", &NcclParameters::network_efficiency},
}};
constexpr std::array<Field<CustomAllReduceParameters>, 9> kCustomFields{{
    {"one_us", &CustomAllReduceParameters::one_us},
    {"one_rank_us", &CustomAllReduceParameters::one_rank_us},
    {"one_efficiency", &CustomAllReduceParameters::one_efficiency},
    {"two_us", &CustomAllReduceParameters::two_us},
    {"two_rank_us", &CustomAllReduceParameters::two_rank_us},
    {"two_efficiency", &CustomAllReduceParameters::two_efficiency},
    {"library_us", &CustomAllReduceParameters::library_us},
    {"library_efficiency", &CustomAllReduceParameters::library_efficiency},
    {"library_loss", &CustomAllReduceParameters::library_loss},
}};
constexpr std::array<Field<DeepEpNormalParameters>, 7> kNormalFields{{
    {"startup_us", &DeepEpNormalParameters::startup_us},
    {"per_log2_nodes_us", &DeepEpNormalParameters::per_log2_nodes_us},
    {"near_efficiency", &DeepEpNormalParameters::near_efficiency},
    {"far_efficiency", &DeepEpNormalParameters::far_efficiency},
    {"per_sm_bytes_us", &DeepEpNormalParameters::per_sm_bytes_us},
    {"row_us", &DeepEpNormalParameters::row_us},
    {"overlap_power", &DeepEpNormalParameters::overlap_power},
}};
constexpr std::array<Field<DeepEpLlParameters>, 8> kLlFields{{
    {"startup_us", &DeepEpLlParameters::startup_us},
    {"per_log2_nodes_us", &DeepEpLlParameters::per_log2_nodes_us},
    {"per_group_ns", &DeepEpLlParameters::per_group_ns},
    {"near_efficiency", &DeepEpLlParameters::near_efficiency},
    {"far_efficiency", &DeepEpLlParameters::far_efficiency},
    {"message_ns", &DeepEpLlParameters::message_ns},
    {"token_us", &DeepEpLlParameters::token_us},
    {"overlap_power", &DeepEpLlParameters::overlap_power},
}};

constexpr std::array<std::string_view, kEngineAllReduces + 1> kAllReduces{"trtllm", "vllm",
                                                                          "sglang", "nccl"};

}  // namespace

std::span<const std::string_view> all_reduce_names() {
  return kAllReduces;
}

AllReduceLibrary all_reduce_named(std::string_view name) {
  const auto found = std::ranges::find(kAllReduces, name);
  if (found == kAllReduces.end()) {
    throw sim::ConfigError(fmt::format("kernels.all_reduce: expected one of {}, not \"{}\"",
                                       fmt::join(kAllReduces, ", "), name));
  }
  return static_cast<AllReduceLibrary>(found - kAllReduces.begin());
}

std::string_view default_all_reduce(std::string_view gemm) {
  const auto found = std::ranges::find(kAllReduces, gemm);
  return found == kAllReduces.end() ? kAllReduces.front() : *found;
}

const NcclParameters& CollectiveParameters::of(Collective collective) const {
  switch (collective) {
    case Collective::AllReduce:
      return all_reduce;
    case Collective::AllGather:
      return all_gather;
    case Collective::ReduceScatter:
      return reduce_scatter;
    case Collective::AllToAll:
      return all_to_all;
    case Collective::Broadcast:
      return broadcast;
    case Collective::SendReceive:
      break;
  }
  return send_receive;
}

CollectiveParameters default_collective_parameters() {
  CollectiveParameters p;
  // NCCL 2.29 on 2 to 8 H100, aiconfigurator 095f58a5.
  p.all_gather = {};
  p.reduce_scatter = {};
  p.all_to_all.quick_us = 6.5;
  p.all_to_all.quick_step_us = 0.1;
  p.all_reduce.quick_us = 5;
  p.all_reduce.quick_step_us = 1.5;
  p.all_reduce.sum_us = 60;
  p.all_reduce.sum_efficiency = 0.6;
  // From 64 B over InfiniBand across leaves, 3.7 us (arXiv 2505.09343, table 5), and a kernel.
  p.send_receive.quick_us = 5;
  p.send_receive.quick_step_us = 0;
  // DeepEP on Hopper: one node; 1 and 2 nodes (normal); 1, 2 and 4 (low latency), the same tables;
  // dispatch within 7 % (median), combine 8 %, low latency 3 and 4 %.
  p.deepep_normal_node.dispatch = {26.3, 0, 1.0, 1.0, 18639, 0.105, 2.3};
  p.deepep_normal_node.combine = {37.8, 0, 0.652, 1.0, 15407, 0.0001, 5.1};
  p.deepep_normal.dispatch = {34.1, 28.3, 1.0, 0.973, 10786, 0.0063, 10};
  p.deepep_normal.combine = {47.8, 43.9, 1.0, 0.876, 8174, 0.0001, 8.2};
  p.deepep_ll.dispatch = {8.4, 6.6, 15.1, 0.546, 0.959, 1, 0.86, 3.1};
  p.deepep_ll.combine = {10.1, 7.75, 6.5, 0.486, 0.959, 1, 0.117, 1.27};
  p.deepep_ll_node = p.deepep_ll;
  // HybridEP: the tensor memory accelerator moves rows, so that a few SMs do; chosen after its
  // public rows: 750 GB/s of 900 with 16 SMs in one NVLink domain, and of 32 H100 the network's
  // (docs/README_Hybrid-EP.md).
  p.hybrid_ep.dispatch = {34, 14, 0.85, 0.82, 1e5, 0, 8};
  p.hybrid_ep.combine = {48, 14, 0.8, 0.8, 1e5, 0, 8};
  return p;
}

CollectiveParameters collective_parameters(const Device& device) {
  CollectiveParameters p = default_collective_parameters();
  for (const FittedModel& model : device.fitted) {
    const std::string& variant = model.variant;
    if (model.kind == "nccl") {
      if (variant == "all_reduce") take(model, kNcclFields, p.all_reduce);
      if (variant == "all_gather") {
        take(model, kNcclFields, p.all_gather);
        take(model, kNcclFields, p.broadcast);
      }
      if (variant == "reduce_scatter") take(model, kNcclFields, p.reduce_scatter);
      if (variant == "alltoall") take(model, kNcclFields, p.all_to_all);
    } else if (model.kind == "deepep_normal") {
      if (variant == "dispatch") take(model, kNormalFields, p.deepep_normal_node.dispatch);
      if (variant == "combine") take(model, kNormalFields, p.deepep_normal_node.combine);
      if (variant == "dispatch_internode") take(model, kNormalFields, p.deepep_normal.dispatch);
      if (variant == "combine_internode") take(model, kNormalFields, p.deepep_normal.combine);
    } else if (model.kind == "deepep_ll") {
      if (variant == "dispatch") take(model, kLlFields, p.deepep_ll_node.dispatch);
      if (variant == "combine") take(model, kLlFields, p.deepep_ll_node.combine);
      if (variant == "dispatch_internode") take(model, kLlFields, p.deepep_ll.dispatch);
      if (variant == "combine_internode") take(model, kLlFields, p.deepep_ll.combine);
    }
  }
  for (std::size_t i = 0; i < kEngineAllReduces; ++i) {
    const Chosen chosen =
        choose_fitted(device, "custom_allreduce", std::string(kAllReduces[i]), "graph");
    if (chosen.model != nullptr) take(*chosen.model, kCustomFields, p.engine_all_reduce[i]);
  }
  // The forms of the fits always have a sum; only an all-reduce does one in the switch.
  for (auto* one :
       {&p.all_gather, &p.reduce_scatter, &p.all_to_all, &p.broadcast, &p.send_receive}) {
    one->sum_efficiency = 0;
  }
  return p;
}

}  // namespace moesim::hardware
