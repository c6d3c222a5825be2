#include <doctest/doctest.h>

#include "hardware/collectives/buffers.h"

using namespace moesim::hardware;

TEST_CASE("DeepEP's low-latency buffers hold two messages an expert and token, each way") {
  // 128 tokens, hidden 7168, 288 experts. A dispatch message: 16 + 14336 bytes; a combine one:
  // 14336
  // + 4 x 56 = 14560. Sent and received: 288 x 128 x 14560 each; signals 1152; twice.
  CHECK(deepep_low_latency_bytes(128, 7168, 16, 288) ==
        2 * (2 * std::int64_t{288} * 128 * 14560 + 1152));
  CHECK(deepep_low_latency_bytes(128, 7168, 1, 288) == 0);
}

TEST_CASE("HybridEP's buffers were those of NCCL") {
  // 4096 numbers, 8 ranks of a node; a slot of 2 x 4096 + 1536 + 512 + 8 = 10,248 bytes, 256 of
  // them and 5 integers for each rank and channel, two multiprocessors a channel, rounded up to
  // 128. HybridEP's kernels usually hold 16: 8 channels. DeepEP's 20: 10. NCCL's all-to-all has 7 x
  // 8 MiB = 58.7 MB.
  const auto bytes = [](MulticastAlgorithm algorithm, std::optional<std::int64_t> sms = {}) {
    return multicast_bytes({.multicast = algorithm, .communication_sms = sms}, 8, 4096, 8);
  };
  CHECK(bytes(MulticastAlgorithm::HybridEp) == 167'904'512);
  CHECK(bytes(MulticastAlgorithm::DeepEpNormal) == 209'880'704);
  CHECK(bytes(MulticastAlgorithm::HybridEp, 20) == bytes(MulticastAlgorithm::DeepEpNormal));
  CHECK(bytes(MulticastAlgorithm::DeepEpNormal, 16) == bytes(MulticastAlgorithm::HybridEp));
  CHECK(bytes(MulticastAlgorithm::Nccl) == 7 * 8 * 1'048'576);
}

TEST_CASE("kernels beside each other keep the buffers of both") {
  const CommBuffers normal{.multicast = MulticastAlgorithm::DeepEpNormal};
  CommBuffers both = normal, quick = normal;
  both.beside = quick.multicast = MulticastAlgorithm::DeepEpLowLatency;
  CHECK(multicast_bytes(both, 16, 7168, 288) ==
        multicast_bytes(normal, 16, 7168, 288) + deepep_low_latency_bytes(128, 7168, 16, 288));
  CHECK(multicast_bytes(quick, 16, 7168, 288) == deepep_low_latency_bytes(128, 7168, 16, 288));
}

TEST_CASE("gathering all rows keeps the buffers of NCCL's rings") {
  CHECK(multicast_bytes({.multicast = MulticastAlgorithm::AllGather}, 8, 4096, 8) ==
        nccl_buffer_bytes(8, 16));
  CHECK(multicast_bytes({.multicast = MulticastAlgorithm::AllGather}, 1, 4096, 8) == 0);
}
