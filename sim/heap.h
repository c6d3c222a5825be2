// What the process keeps of the memory that it frees.
#pragma once

namespace moesim::sim {

// A play makes and drops the same vectors again and again. By its own rule glibc hands blocks above
// 128 kB back to the kernel, which clears each page anew when it is touched: a sixth of the time of
// a training step from a trace. From here on blocks of up to 32 MiB come from the heap, which
// grows by 16 MiB and gives back what is free beyond 1 GiB. To be called by a program before it
// starts threads; a library leaves its host's heap alone. Does nothing on another C library.
void keep_freed_memory();

}  // namespace moesim::sim
