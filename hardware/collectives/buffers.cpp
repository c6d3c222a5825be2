#include "hardware/collectives/buffers.h"

#include <algorithm>

namespace moesim::hardware {

namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

std::int64_t nccl_buffer_bytes(std::int64_t ranks, std::int64_t channels) {
  if (ranks <= 1) return 0;
  const std::int64_t simple = 4 * kMiB, ll = kMiB / 2, ll128 = 4915200;  // 120 lines of 640 threads
  const std::int64_t neighbours = ranks == 2 ? 1 : 2;                    // ring, tree
  return channels * neighbours * (simple + ll + ll128);
}

std::int64_t nccl_all_to_all_bytes(std::int64_t ranks) {
  return ranks <= 1 ? 0 : (ranks - 1) * 2 * 4 * kMiB;
}

std::int64_t multicast_bytes(const CommBuffers& buffers, std::int64_t ranks, std::int64_t width,
                             std::int64_t groups) {
  const auto bytes_of = [&](MulticastAlgorithm algorithm) {
    return traits_of(algorithm).buffer_bytes(buffers, ranks, width, groups);
  };
  return bytes_of(buffers.multicast) + (buffers.beside ? bytes_of(*buffers.beside) : 0);
}

std::int64_t deepep_low_latency_bytes(std::int64_t rows, std::int64_t width, std::int64_t ranks,
                                      std::int64_t groups) {
  if (ranks <= 1) return 0;
  const std::int64_t scales = width / 128;
  const std::int64_t dispatch = 16 + std::max(2 * width, width + 4 * scales);
  const std::int64_t combine = 2 * width + 4 * scales;
  const std::int64_t send = std::max(rows * dispatch, groups * rows * combine);
  const std::int64_t receive = std::max(groups * rows * dispatch, groups * rows * combine);
  const std::int64_t signals = round_up(groups * 4, 128);
  return round_up(2 * (send + receive + signals), 128);
}

std::int64_t deepep_normal_bytes(std::int64_t width, std::int64_t ranks, std::int64_t sms,
                                 std::int64_t gpus_per_node) {
  if (ranks <= 1) return 0;
  // A token's row in bf16 with room for 128 choices, weights and scales (kNumMaxTopK,
  // kNumMaxScales) and where it came from.
  constexpr std::int64_t kMost = 128;
  const std::int64_t row = 2 * width + kMost * (8 + 4) + kMost * 4 + 8;
  const std::int64_t channels = sms / 2;
  const std::int64_t near = std::min(ranks, gpus_per_node);
  const std::int64_t nodes = std::max<std::int64_t>(ranks / gpus_per_node, 1);
  constexpr std::int64_t kNearChunk = 256;  // tokens in flight to each GPU of the node
  constexpr std::int64_t kFarChunk = 128;   // and to each node
  const std::int64_t nvlink = channels * near * (kNearChunk * row + (2 * nodes + 3) * 4);
  const std::int64_t rdma =
      nodes == 1 ? 0 : channels * nodes * (kFarChunk * row + 2 * (near * 2 + 2) * 4) * 2;
  return round_up(nvlink, 128) + round_up(rdma, 128);
}

std::int64_t hybrid_ep_bytes(std::int64_t width, std::int64_t ranks, std::int64_t sms,
                             std::int64_t gpus_per_node) {
  return deepep_normal_bytes(width, ranks, sms, gpus_per_node);
}

}  // namespace moesim::hardware
