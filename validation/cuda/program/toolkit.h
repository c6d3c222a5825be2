// The run time of a CUDA toolkit that is new enough. Of an older one the compiler says so, before
// it trips over what is not there.
#pragma once

#include <cuda_runtime_api.h>

#if CUDART_VERSION < 12030
#error \
    "this CUDA toolkit is too old for moesim-gpu: version 12.3 or later is needed (nvcc --version)"
#endif

// Whether the driver can be asked for a function as of a version: since 12.5. Before, as of the
// toolkit's own.
#define MOESIM_ENTRY_POINT_BY_VERSION (CUDART_VERSION >= 12050)
