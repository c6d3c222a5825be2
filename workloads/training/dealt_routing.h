// Routing by which every expert is as busy, and who goes with whom is chance.
//
// The balanced law lays a token's experts as far apart as can be: a token that is sent once to a
// rank then goes to more ranks than any routing's that is learned or drawn, and the step is no
// measure for theirs. Here experts are dealt to tokens as cards are from a shuffled deck, which is
// shuffled anew when it is empty: of any experts / top_k tokens in a row, from the first on, each
// has one. With group limits groups are dealt, and of each group its experts.
#pragma once

#include <cstdint>

#include "workloads/model/layers.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

// For so many tokens. Limits whose numbers do not divide are none.
void deal_routing(std::uint32_t tokens, const MoeFfn& moe, std::uint64_t seed, LayerRouting& out);

}  // namespace moesim::workloads
