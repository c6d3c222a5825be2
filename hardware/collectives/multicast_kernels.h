// The kernels of multicasts(): each turns counts of rows into transfers and has its form's models.
#pragma once

#include <memory>

#include "hardware/collectives/forms/deepep_low_latency.h"
#include "hardware/collectives/forms/deepep_normal.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/multicast.h"

namespace moesim::hardware {

// NCCL's all-to-allv of the copies, straight.
std::unique_ptr<const Multicast> make_straight(const Device& device);
// Every row to every rank by NCCL's all-gather; sums come back by its reduce-scatter.
std::unique_ptr<const Multicast> make_gathered(const Device& device);
// A row once to each node that wants it, over the NIC to the rank of its own rail there, which
// hands it to those that want it there.
std::unique_ptr<const Multicast> make_deepep_normal(const Device& device);
std::unique_ptr<const Multicast> make_hybrid_ep(const Device& device);
std::unique_ptr<const Multicast> make_by_nodes(ThereAndBack<DeepEpNormalModel> models);
// A message for every choice, straight to its rank.
std::unique_ptr<const Multicast> make_deepep_low_latency(const Device& device);
std::unique_ptr<const Multicast> make_low_latency(ThereAndBack<DeepEpLlModel> models);

}  // namespace moesim::hardware
