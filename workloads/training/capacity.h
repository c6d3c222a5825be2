// Experts that take no more than their capacity of each rank's tokens, and drop the rest
// (Megatron-LM, transformer/moe/moe_utils.py: apply_router_token_dropping).
#pragma once

#include <cstdint>

#include "workloads/model/layers.h"
#include "workloads/placement/dispatch.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

// Rows of an expert that a rank with so many tokens may fill: ceil(tokens x top_k / experts x
// factor).
std::int64_t capacity_rows(std::int64_t tokens, const MoeFfn& moe, double factor);

// Of a rank with so many tokens whose experts are all filled up: as many tokens as have those rows.
std::int64_t filled_tokens(std::int64_t tokens, const MoeFfn& moe, double factor);

// `out` is the view, but that of each source's choices of an expert only the first capacity_rows
// are kept, by the tokens' order; the others are missing there. Returns how many were dropped.
// Which of its tokens an expert drops changes nobody's rows or messages by choice; a token that is
// sent once to a rank is.
std::int64_t drop_over_capacity(const RoutingView& view, const TokenSources& sources,
                                const MoeFfn& moe, double factor, LayerRouting& out);

}  // namespace moesim::workloads
