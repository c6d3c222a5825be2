// Device memory that communication libraries keep for themselves on each GPU.
#pragma once

#include <cstdint>
#include <optional>

#include "hardware/collectives/multicast.h"

namespace moesim::hardware {

// What is exchanged, and with whom; ranks of one: no communicator.
struct CommBuffers {
  MulticastAlgorithm multicast = MulticastAlgorithm::Nccl;
  // Kernels of another algorithm, loaded beside those for smaller exchanges; none: those carry all.
  std::optional<MulticastAlgorithm> beside = {};
  std::int64_t gpus_per_node = 8;      // that share a fast link
  std::int64_t dispatch_tokens = 128;  // low latency: the most rows a rank may dispatch
  // That DeepEP's normal kernels and HybridEP's hold; none: as many as they usually do.
  std::optional<std::int64_t> communication_sms = {};
  std::int64_t nccl_channels = 16;  // NCCL's count on NVSwitch systems of eight
};

// Of both algorithms, on each of so many ranks: rows of `width` numbers, `groups` on all ranks.
std::int64_t multicast_bytes(const CommBuffers& buffers, std::int64_t ranks, std::int64_t width,
                             std::int64_t groups);

// NCCL: a channel has a buffer of each protocol (Simple 4 MiB = NCCL_BUFFSIZE's default, LL 512
// KiB, LL128 about 4.7 MiB: NCCL 2.x comm.h) for its neighbour in the ring and in the tree.
// `peers`: of an all-to-all over send and receive: two channels and 4 MiB each a peer.
std::int64_t nccl_buffer_bytes(std::int64_t ranks, std::int64_t channels);
std::int64_t nccl_all_to_all_bytes(std::int64_t ranks);

// DeepEP's low-latency buffers: room for so many messages for each group, sent and
// received, twice (csrc/config.hpp, LowLatencyLayout). For 128 rows of 7168 numbers and 288 groups:
// 2.13 GB.
std::int64_t deepep_low_latency_bytes(std::int64_t rows, std::int64_t width, std::int64_t ranks,
                                      std::int64_t groups);

// DeepEP's normal buffers, NVLink and RDMA parts (csrc/config.hpp, Config), at its default chunks.
std::int64_t deepep_normal_bytes(std::int64_t width, std::int64_t ranks, std::int64_t sms,
                                 std::int64_t gpus_per_node);

// HybridEP's: nothing that its README (docs/README_Hybrid-EP.md, 94a9f8f6) publishes says what they
// take, so DeepEP's normal kernels', whose rows go the same way in chunks of channels, stand for
// them: 168 MB for 4096 numbers over 8 ranks of a node.
std::int64_t hybrid_ep_bytes(std::int64_t width, std::int64_t ranks, std::int64_t sms,
                             std::int64_t gpus_per_node);

}  // namespace moesim::hardware
