// The layouts that a plan tries, in a fixed order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"

namespace moesim::tools {

struct LayoutSpace {
  std::vector<std::int64_t> tp = {1, 2, 4, 8}, pp = {1, 2, 4}, cp = {1};
  bool etp_one = true, etp_tp = true;  // experts whole on a rank; divided as attention is
  std::vector<std::int64_t> ep = {};   // empty: any
};

// GPUs of an engine, ascending: powers of two within a node, a node, and 2^n, 3 x 2^n, 9 x 2^n of
// them.
std::vector<std::int64_t> engine_sizes(std::int64_t gpus_per_node, std::int64_t most);

// Those of `gpus` GPUs: gpus = tp cp pp dp, ep etp divides tp cp dp, ep divides `slots` (expert
// slots of a layer; 0: a dense model, whose ep is 1), tp and etp lie within a node. Ordered by tp,
// pp, cp, etp, ep.
std::vector<workloads::Parallelism> layouts_of(std::int64_t gpus, std::int64_t gpus_per_node,
                                               std::int64_t slots, const LayoutSpace& space);

// Whether its dp ranks fall into groups that share no experts: each alone (ep x etp lies within
// tp x cp), or so many as dp and edp have in common. Such groups are engines of their own, so that
// the layout is one of fewer GPUs, several times. REQUIRES: check_layout finds nothing
bool is_several_engines(const workloads::Parallelism& layout);

// "tp2-dp8-ep16"; sizes of 1 are left out, but one is always said.
std::string short_name(const workloads::Parallelism& layout);

}  // namespace moesim::tools
