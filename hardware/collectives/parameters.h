// What a communication library costs beyond its bytes: plain parameters, from public figures or
// from a fit. The builders (collectives.h, all_to_all.h) turn them into exchanges whose time on an
// idle network is the closed form
//
//   startup + steps x step_latency + max over links of bytes / (link bandwidth x efficiency) + path
//   latency
//
// so that a fit of the closed form and a play over links agree.
#pragma once

#include <cstdint>

#include "sim/units.h"

namespace moesim::hardware {

// One protocol of a ring, tree or pairwise algorithm. Libraries choose between a quick and a wide
// one by size; so does the builder: the protocol that is done first.
struct ProtocolParameters {
  sim::Duration startup{};              // launch, first synchronisation
  sim::Duration step_latency{};         // of each further rank inside a node (ring step)
  sim::Duration network_step{};         // of each further node
  double near_efficiency = 1;           // of the scale-up bandwidth
  double far_efficiency = 1;            // of the NICs' bandwidth
  double efficiency_loss_per_rank = 0;  // near: 1 - loss / ranks
};

// One collective of a library, two protocols.
struct CollectiveCost {
  ProtocolParameters quick;  // low latency, low bandwidth
  ProtocolParameters wide;
  std::int64_t sms = 0;  // multiprocessors it holds while it runs
};

// NCCL and the engines' own all-reduces.
struct NcclParameters {
  CollectiveCost all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, point_to_point;
};

// One-shot: each rank reads all others' data. Two-shot: reduce-scatter, then all-gather.
struct CustomAllReduceParameters {
  ProtocolParameters one_shot, two_shot;
};

// DeepEP normal: one copy to each node over RDMA, from there over NVLink; a number of SMs moves
// it. Bandwidths are those of a rank, each way.
struct DeepEpNormalParameters {
  sim::Duration startup{};  // one node: kernel and notify
  sim::Duration startup_per_log2_nodes{};
  double near_efficiency = 1;
  double far_efficiency = 1;
  sim::Bandwidth per_sm;          // what one SM moves inside a node
  sim::Bandwidth forward_per_sm;  // what one SM forwards from RDMA to NVLink
  sim::Duration per_row_sm{};     // work of an SM for each row and destination
};

// DeepEP low latency: a message for every selection, straight to its rank.
struct DeepEpLowLatencyParameters {
  sim::Duration startup{};
  sim::Duration startup_per_log2_nodes{};
  sim::Duration per_group{};    // for each group of the exchange (of every rank)
  sim::Duration per_message{};  // of a rank's NIC
  double near_efficiency = 1;
  double far_efficiency = 1;
  std::int64_t bytes_per_message = 16;  // headers
};

template <class Parameters>
struct DispatchCombine {
  Parameters dispatch, combine;
};

struct CollectiveParameters {
  NcclParameters nccl;
  CustomAllReduceParameters custom_all_reduce;
  DispatchCombine<DeepEpNormalParameters> deepep_normal;
  DispatchCombine<DeepEpLowLatencyParameters> deepep_low_latency;
};

// Public figures for Hopper: section "Collectives" of hardware/collectives/README.md says which.
CollectiveParameters default_collective_parameters();

}  // namespace moesim::hardware
