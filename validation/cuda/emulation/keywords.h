// What the CUDA compiler adds to C++, for a compiler that does not know it.
#pragma once

#define __global__ inline
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
