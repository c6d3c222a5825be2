// Collectives in round numbers, for machines made in code.
#pragma once

#include <memory>

#include "hardware/collectives/models.h"
#include "hardware/collectives/multicast_kernels.h"

namespace moesim::testing {

// The same parameters within a node and over several.
template <class M>
hardware::Reach<M> plain_reach(const typename M::Parameters& p) {
  return {hardware::CollectiveModel<M>(p), hardware::CollectiveModel<M>(p)};
}

// The same on the way out and back.
template <class M>
hardware::ThereAndBack<M> plain_both(const typename M::Parameters& p) {
  return {plain_reach<M>(p), plain_reach<M>(p)};
}

// The defaults, to be changed before a cluster gets them.
inline std::shared_ptr<hardware::CollectiveModels> default_collectives() {
  return std::make_shared<hardware::CollectiveModels>(hardware::Device{});
}

}  // namespace moesim::testing
