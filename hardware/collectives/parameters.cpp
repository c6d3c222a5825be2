#include "hardware/collectives/parameters.h"

namespace moesim::hardware {

namespace {

using sim::Duration;
using namespace sim::literals;

constexpr Duration us(double value) {
  return Duration(static_cast<std::int64_t>(value * 1e6));
}

}  // namespace

// NCCL 2.29 and DeepEP on Hopper, fits of public tables (aiconfigurator 095f58a5) in the forms of
// parameters.h; network steps after the 64-byte latencies of arXiv 2505.09343, table 5.
CollectiveParameters default_collective_parameters() {
  CollectiveParameters p;
  const ProtocolParameters quick{us(4.2), us(0.8), us(4), 0.18, 0.5, 0};
  const ProtocolParameters wide{us(14), us(1.2), us(6), 0.80, 0.9, 0};
  p.nccl.all_gather = {quick, wide, 16};
  p.nccl.reduce_scatter = {quick, wide, 16};
  p.nccl.all_to_all = {
      {us(6.5), us(0.1), us(2), 0.15, 0.4, 0}, {us(10), us(0.8), us(3), 0.75, 0.9, 0}, 16};
  p.nccl.all_reduce = {
      {us(4), us(1.5), us(6), 0.25, 0.5, 0}, {us(15), us(1.5), us(8), 0.85, 0.9, 0}, 16};
  p.nccl.broadcast = {quick, wide, 16};
  p.nccl.point_to_point = {
      {us(5), us(0), us(3), 0.2, 0.5, 0}, {us(8), us(0), us(3), 0.8, 0.95, 0}, 4};
  p.custom_all_reduce = {{us(2.5), us(0.4), us(0), 0.6, 1, 0}, {us(4), us(0.6), us(0), 0.75, 1, 0}};
  return p;
}

}  // namespace moesim::hardware
