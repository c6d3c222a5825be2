// What a communication library costs beyond its bytes: plain parameters, from public figures or
// from a fit (FittedModel, whose parameters have these names). The builders (collectives.h,
// multicast.h) turn them into exchanges whose time on an idle network is the closed form that the
// parameters belong to, so that a fit of the form and a play over links agree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace moesim::hardware {

struct Device;

enum class Collective { AllReduce, AllGather, ReduceScatter, AllToAll, Broadcast, SendReceive };

// NCCL, one operation: the quickest of its protocols. w is what each rank sends, S the whole
// buffer.
//
//   quick  startup + step (n - 1) + w / (link x efficiency)
//   wide   startup + step (n - 1) + (w + sqrt(w ramp)) / (link x efficiency x (1 - loss / n))
//   sum    startup + S (1 + 1 / n) / (link x efficiency)
//          an all-reduce in the switch (NVLS), of more than two ranks
//
// n counts the ranks of a node; over several nodes the same rings go on over the NICs, with
// node_us more for each further node (quick: for each doubling), and w / n of each rank's bytes, at
// network_efficiency, over its NIC. Over nodes there is no sum.
struct NcclParameters {
  double quick_us = 4.5, quick_step_us = 0.8, quick_efficiency = 0.2;
  double wide_us = 8, wide_step_us = 0.8, wide_efficiency = 0.8, wide_loss = 0.4, ramp_bytes = 1e6;
  double sum_us = 0, sum_efficiency = 0;  // no efficiency: no such protocol
  double node_us = 5, network_efficiency = 0.9;
};

// The engines' own all-reduce within a node: the quickest of
//   one shot   startup + per rank (n - 1) + (n - 1) S / (link x efficiency)
//   two shot   startup + per rank (n - 1) + 2 (n - 1) / n S / (link x efficiency)
//   library    startup + 2 (n - 1) / n S / (link x efficiency x (1 - loss / n))
struct CustomAllReduceParameters {
  double one_us = 2.5, one_rank_us = 0.1, one_efficiency = 0.5;
  double two_us = 4, two_rank_us = 0.2, two_efficiency = 0.6;
  double library_us = 15, library_efficiency = 0.9, library_loss = 0.5;
};

// DeepEP's normal kernels (and others of the kind): a row goes once to each node that wants it,
// over RDMA, and from there once to each rank.
//   startup + per_log2_nodes log2(nodes) + (near^p + sm^p + far^p)^(1/p)
//   sm = (near bytes / per_sm + copies x row) / sms
struct DeepEpNormalParameters {
  double startup_us = 0, per_log2_nodes_us = 0;
  double near_efficiency = 1, far_efficiency = 1;
  double per_sm_bytes_us = 1e4;  // of one SM
  double row_us = 0;             // of one SM, for each row and destination
  double overlap_power = 4;
};

// DeepEP's low-latency kernels: a message for every selection, straight to its rank.
//   startup + per_log2_nodes log2(nodes) + per_group groups + (near^p + far^p + sm^p)^(1/p)
//   far = messages x (message / (NIC x efficiency) + message_ns)
//   sm  = rows x token / ceil(groups / 3)
struct DeepEpLlParameters {
  double startup_us = 0, per_log2_nodes_us = 0, per_group_ns = 0;
  double near_efficiency = 1, far_efficiency = 1, message_ns = 0;
  double token_us = 0;
  double overlap_power = 2;
};

// Whose all-reduce it is: an engine's own kernels, which are for one node and hand over to NCCL
// where that is the quicker; or NCCL's alone.
enum class AllReduceLibrary { Trtllm, Vllm, Sglang, Nccl };
// "trtllm", "vllm", "sglang", "nccl", in that order
std::span<const std::string_view> all_reduce_names();
// Throws ConfigError that lists them where there is none of that name.
AllReduceLibrary all_reduce_named(std::string_view name);
// The name where nobody asked for one: that of the engine whose GEMMs are used, else "trtllm".
std::string_view default_all_reduce(std::string_view gemm);
inline constexpr std::size_t kEngineAllReduces = 3;  // those before Nccl

template <class Parameters>
struct DispatchCombine {
  Parameters dispatch = {}, combine = {};
};

struct CollectiveParameters {
  NcclParameters all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send_receive;
  std::array<CustomAllReduceParameters, kEngineAllReduces> engine_all_reduce;
  DispatchCombine<DeepEpNormalParameters> deepep_normal_node;  // the kernels within one node
  DispatchCombine<DeepEpNormalParameters> deepep_normal;       // those over several
  DispatchCombine<DeepEpNormalParameters> hybrid_ep;
  DispatchCombine<DeepEpLlParameters> deepep_ll_node;  // low latency: within one node
  DispatchCombine<DeepEpLlParameters> deepep_ll;       // over several

  const NcclParameters& of(Collective collective) const;
};

// Figures of public tables for Hopper: hardware/collectives/README.md says which and how good.
CollectiveParameters default_collective_parameters();

// The device's own fits (kinds nccl, custom_allreduce, deepep_normal, deepep_ll), over the
// defaults.
CollectiveParameters collective_parameters(const Device& device);

}  // namespace moesim::hardware
