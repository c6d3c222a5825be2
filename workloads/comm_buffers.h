// Device memory that communication libraries keep for themselves on each GPU.
#pragma once

#include <cstdint>

namespace moesim::workloads {

enum class Exchanger { Nccl, DeepEpNormal, DeepEpLowLatency };

// What is exchanged, and with whom; ranks of one: no communicator.
struct CommBuffers {
  Exchanger experts = Exchanger::Nccl;  // the mixture layers' all-to-all
  std::int64_t gpus_per_node = 8;       // that share a fast link
  std::int64_t dispatch_tokens = 128;   // low latency: the most tokens a rank may dispatch
  std::int64_t communication_sms = 20;  // DeepEP's normal kernels
  std::int64_t nccl_channels = 16;      // NCCL's count on NVSwitch systems of eight
};

// NCCL: a channel has a buffer of each protocol (Simple 4 MiB = NCCL_BUFFSIZE's default, LL 512
// KiB, LL128 about 4.7 MiB: NCCL 2.x comm.h) for its neighbour in the ring and in the tree.
// `peers`: of an all-to-all over send and receive: two channels and 4 MiB each a peer.
std::int64_t nccl_buffer_bytes(std::int64_t ranks, std::int64_t channels);
std::int64_t nccl_all_to_all_bytes(std::int64_t ranks);

// DeepEP's low-latency buffers: room for dispatch_tokens messages for each expert, sent and
// received, twice (csrc/config.hpp, LowLatencyLayout). For 128 tokens, hidden 7168 and 288 experts:
// 2.13 GB.
std::int64_t deepep_low_latency_bytes(std::int64_t tokens, std::int64_t hidden, std::int64_t ranks,
                                      std::int64_t experts);

// DeepEP's normal buffers, NVLink and RDMA parts (csrc/config.hpp, Config), at its default chunks.
std::int64_t deepep_normal_bytes(std::int64_t hidden, std::int64_t ranks, std::int64_t sms,
                                 std::int64_t gpus_per_node);

}  // namespace moesim::workloads
