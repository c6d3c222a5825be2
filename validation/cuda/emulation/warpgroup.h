// wgmma in the emulator: products are done when they are waited for, warp by warp, on what shared
// memory holds then.
#pragma once

#include "validation/cuda/emulation/thread_state.h"

namespace moesim::validation::cuda::emulation {

void warpgroup_fence();
void warpgroup_product(const WarpgroupProduct& product);
void warpgroup_commit();
void warpgroup_wait(int pending);

}  // namespace moesim::validation::cuda::emulation
