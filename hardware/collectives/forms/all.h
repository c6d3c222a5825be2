// Every closed form that there is: whose fits a file's are checked as, and what has defaults.
#pragma once

#include <tuple>
#include <type_traits>

#include "hardware/collectives/forms/custom_all_reduce.h"
#include "hardware/collectives/forms/deepep_low_latency.h"
#include "hardware/collectives/forms/deepep_normal.h"
#include "hardware/collectives/forms/hybrid_ep.h"
#include "hardware/collectives/forms/nccl.h"

namespace moesim::hardware {

template <class... M>
struct FormList {
  template <class Other>
  static constexpr bool contains = (std::is_same_v<Other, M> || ...);
  // Calls visit.operator()<M>() for each.
  template <class Visit>
  static void for_each(Visit visit) {
    (visit.template operator()<M>(), ...);
  }
};

using CollectiveForms =
    FormList<NcclModel, CustomAllReduceModel, DeepEpNormalModel, HybridEpModel, DeepEpLlModel>;

}  // namespace moesim::hardware
