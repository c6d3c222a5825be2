// Encodes tensor maps by the driver, which is found at run time: nothing links to libcuda.
#pragma once

#include <cuda.h>

#include "validation/cuda/device/tensor_map.h"

namespace moesim::validation::cuda {

// Throws MachineError where the driver cannot, or refuses the shape.
CUtensorMap encode_tensor_map(const TensorShape& shape);

}  // namespace moesim::validation::cuda
