// cp.async in the emulator.
#pragma once

namespace moesim::validation::cuda::emulation {

void async_copy16(void* to, const void* from, int valid);
void async_commit();
void async_wait(int pending);

}  // namespace moesim::validation::cuda::emulation
