#include "validation/cuda/program/tensor_maps.h"

#include <cudaTypedefs.h>

#include "validation/cuda/program/cuda_check.h"

namespace moesim::validation::cuda {
namespace {

PFN_cuTensorMapEncodeTiled_v12000 driver_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result{};
#if MOESIM_ENTRY_POINT_BY_VERSION
  constexpr unsigned kVersion = 12000;  // the first that has it
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                             kVersion, cudaEnableDefault, &result);
#else
  const cudaError_t error =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result);
#endif
  check_cuda(error, "look for cuTensorMapEncodeTiled");
  if (result != cudaDriverEntryPointSuccess || function == nullptr) {
    throw MachineError("the driver has no cuTensorMapEncodeTiled: CUDA 12.0 or later is needed");
  }
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
}

CUtensorMapDataType type_of(TensorElement element) {
  switch (element) {
    case TensorElement::Bf16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case TensorElement::Fp8:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
    case TensorElement::Float:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  }
  return CU_TENSOR_MAP_DATA_TYPE_UINT8;
}

}  // namespace

CUtensorMap encode_tensor_map(const TensorShape& shape) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = driver_encode();
  CUtensorMap map{};
  cuuint64_t sizes[3], strides[2];
  cuuint32_t box[3], element_strides[3] = {1, 1, 1};
  for (int d = 0; d < shape.rank; ++d) {
    sizes[d] = shape.size[d];
    box[d] = shape.box[d];
    if (d > 0) strides[d - 1] = shape.stride[d];
  }
  const CUresult result = encode(
      &map, type_of(shape.element), static_cast<cuuint32_t>(shape.rank),
      const_cast<void*>(shape.base), sizes, strides, box, element_strides,
      CU_TENSOR_MAP_INTERLEAVE_NONE,
      shape.swizzle128 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);  // zeros outside
  if (result != CUDA_SUCCESS) {
    std::string text = "cuTensorMapEncodeTiled refused (" + std::to_string(result) + ") size";
    for (int d = 0; d < shape.rank; ++d) text += " " + std::to_string(sizes[d]);
    text += ", box";
    for (int d = 0; d < shape.rank; ++d) text += " " + std::to_string(box[d]);
    text += ", stride";
    for (int d = 1; d < shape.rank; ++d) text += " " + std::to_string(strides[d - 1]);
    throw MachineError(text);
  }
  return map;
}

}  // namespace moesim::validation::cuda
