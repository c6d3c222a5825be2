// Constants that were fitted on one device, for another of its generation.
//
// A kernel's time is arithmetic, reads of weights and cache, and passes that move rows: rotation
// and the way into the cache before attention, quantisation before a product, rows sorted,
// activated and summed around experts. A fit says of passes which part of its device's bandwidth
// they reach. They reach so little of it since much of their time is not the memory's: rows that
// the kernel before has just written lie in the L2, and few of them are under way at a time. So
// only a part of a pass becomes quicker with a faster memory.
//
// That part is 0.45 (origin: fitted, on six public tables of H200, 60 rows each, priced by the fits
// of H100; aiconfigurator 095f58a5). Losses by part, all tables: 404 (1: with the bandwidth), 377
// (0.8), 360 (0.6), 357 (0.5), 357 (0.4), 366 (0.2), 388 (0: none of it). Chosen without one of the
// tables it is 0.3 to 0.5. moesim-gpu's kernels, the same on an H100 and an H200 whose bandwidths
// are as 1 to 1.43, lie on both sides (validation/measured): quantisation of 8,192 rows takes 0.99
// times as long, at 0.63 of the memory's bandwidth, an activation 0.79, rows to where they go 0.71,
// and what fits the L2 0.93 to 1.07.
#pragma once

#include <string_view>

#include "hardware/device.h"

namespace moesim::hardware {

// Parameters that are the part of the bandwidth at which passes move rows.
bool is_of_passes(std::string_view parameter);

// A fit of `from`, for `to`: its passes a byte take `0.45 x from / to + 0.55` of their time there,
// by the memories' bandwidths, and not from / to. Fits of another generation are left as they are.
FittedModel carried_over(FittedModel model, const Device& from, const Device& to);

}  // namespace moesim::hardware
