// The matrix instructions of sm_80: ldmatrix and mma.sync m16n8k16 (bf16 in, float sums).
//
// Fragments (PTX ISA, "Matrix fragments for mma.m16n8k16"), with row = lane / 4, pair = lane % 4:
//   A[0..3]: (row, 2 pair), (row + 8, 2 pair), (row, 2 pair + 8), (row + 8, 2 pair + 8), two
//   columns each B[0..1]: (k = 2 pair, n = row), (k = 2 pair + 8, n = row), two k each C[0..3]:
//   (row, 2 pair), (row, 2 pair + 1), (row + 8, 2 pair), (row + 8, 2 pair + 1)
#pragma once

#include "validation/cuda/device/platform.cuh"

#ifndef __CUDACC__
#include "validation/cuda/emulation/matrix.h"
#endif

namespace moesim::validation::cuda {

// Four 8 x 8 matrices of 16-bit values: lane 8 j + i gives the address of row i of matrix j, and
// each lane gets, of every matrix, the two neighbours at (lane / 4, 2 (lane % 4)).
__device__ __forceinline__ void load_matrices(std::uint32_t (&out)[4], const void* row) {
#ifdef __CUDACC__
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
#else
  emulation::load_matrices(out, row);
#endif
}

// The same of matrices turned over: of the matrix in rows each lane gets the two that are one below
// the other, at (2 (lane % 4), lane / 4), the upper one low.
__device__ __forceinline__ void load_turned_matrices(std::uint32_t (&out)[4], const void* row) {
#ifdef __CUDACC__
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
#else
  emulation::load_turned_matrices(out, row);
#endif
}

// sum += A B
__device__ __forceinline__ void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4],
                                             const std::uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulation::multiply_add(sum, a, b);
#endif
}

}  // namespace moesim::validation::cuda
