// What an operation of NCCL takes: the quickest of its protocols.
//
//   quick  startup + step (m - 1) + node log2(nodes) + w / (link x efficiency)
//   wide   startup + step (m - 1) + node (nodes - 1) + (w + sqrt(w ramp))
//          / (link x efficiency x (1 - loss / m))
//   sum    startup + S (1 + 1 / m) / (link x efficiency)     all_reduce in the switch (NVLS), which
//          sends each byte once and each rank's own part once more; of more than two
//
// Where a node's links are PCI Express's and meet in its host each doubling of ranks beyond two
// leaves doubling_efficiency of a link's pace to each (L40S: rings of 2, 4 and 8 pass on 20, 5.2
// and 1.7 GB/s a rank; aiconfigurator 095f58a5).
//
// S is nccl-tests' size, m the ranks of a node, w what each rank sends over the links of its node:
// (n - 1) / n of S of n ranks, twice that for an all-reduce. Over several nodes the same rings go
// on over the NICs, one for each rank of a node, with w / m of its bytes at network_efficiency
// (half of it by the quick protocol, ramp / 10 by the wide one), and the longer of the two shows.
// An all-to-all reaches all nodes in doublings; a send is one step, without ramp or loss.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/collectives/forms/parts.h"
#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

enum class NcclOperation { AllReduce, AllGather, ReduceScatter, AllToAll, Broadcast, SendReceive };
// "all_reduce", "all_gather", "reduce_scatter", "alltoall": those that nccl-tests' tables have
std::optional<NcclOperation> parse_nccl_operation(std::string_view name);

enum class NcclAlgorithm { Quickest, Ring, Switch };

struct NcclShape {
  NcclOperation operation = NcclOperation::AllReduce;
  double ranks = 2;  // of a node
  double bytes = 0;  // nccl-tests' size: of the whole buffer (all_gather: that is received)
  double nodes = 1;
  NcclAlgorithm algorithm = NcclAlgorithm::Quickest;
  bool has_switch = false;             // in the node, that can add up: switch_sums.h
  bool through_host = false;           // links of the node: switch_sums.h
  std::optional<PortBytes> sent = {};  // none: as the operation's rings have it
};

struct NcclParameters {
  double quick_us = 4.5, quick_step_us = 0.8, quick_efficiency = 0.2;
  double wide_us = 8, wide_step_us = 0.8, wide_efficiency = 0.8, wide_loss = 0.4, ramp_bytes = 1e6;
  double sum_us = 60, sum_efficiency = 0.6;
  // What L40S's all-reduce and reduce-scatter have; of other machines and operations no table says
  // it.
  double doubling_efficiency = 0.28;
  // No table has several nodes: round figures, latency after arXiv 2505.09343.
  double node_us = 5, network_efficiency = 0.9;
};

struct NcclModel {
  using Shape = NcclShape;
  using Parameters = NcclParameters;
  static constexpr std::string_view kKind = "nccl";
  // Of groups over several nodes: with "_internode" behind.
  static constexpr std::array<std::string_view, 12> kVariants{"all_reduce",
                                                              "all_gather",
                                                              "reduce_scatter",
                                                              "alltoall",
                                                              "broadcast",
                                                              "send_receive",
                                                              "all_reduce_internode",
                                                              "all_gather_internode",
                                                              "reduce_scatter_internode",
                                                              "alltoall_internode",
                                                              "broadcast_internode",
                                                              "send_receive_internode"};
  static std::span<const ParameterField<NcclParameters>> fields();
  // Where a device has no fit, for a variant; and whose figures they are.
  static Parameters defaults(std::string_view variant);
  static constexpr std::string_view kDefaults =
      "NCCL 2.29 on H100, round figures of aiconfigurator 095f58a5";
  // Whether times of such groups say something of an optional parameter.
  static bool tells(std::string_view parameter, const NcclShape& shape) {
    return parameter == "doubling_efficiency" && shape.through_host && shape.ranks > 2;
  }
  static Parts parts(const NcclShape& shape, const Rates& rates, const NcclParameters& p);
  // Ring or Switch: what Quickest comes to.
  static NcclAlgorithm quickest(const NcclShape& shape, const Rates& rates,
                                const NcclParameters& p);
  static double us(const NcclShape& shape, const Rates& rates, const NcclParameters& p) {
    return parts(shape, rates, p).us();
  }
  static double least_us(const NcclShape& shape, const Rates& rates);
  // The same tables of H100 and H200 are apart by this (90th percentile): 3 to 10 % (all-to-all),
  // and as much from one run to the next.
  static constexpr double kCarried = 0.06;
  static constexpr std::array<std::string_view, 1> kCounted{"ranks"};
  static constexpr std::array<std::string_view, 2> kFeatures{"bytes", "ranks"};
  static std::array<double, 2> features(const NcclShape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const NcclShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
