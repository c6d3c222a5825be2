// Loops that run with wider registers where the machine has them. REQUIRES: that their arithmetic
// is element by element, or over lanes in their order, so that any width gives the same bytes.
#pragma once

// Before a function: it is compiled for each width. A sanitizer's runtime is not up yet when such a
// function is chosen.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MOESIM_ANY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MOESIM_ANY_WIDTH
#endif

// Before a loop over the lanes of arrays: it stays one until it is made wide. Unrolled first, as
// g++ does with so short a one, it becomes one number after another.
#if defined(__GNUC__) && !defined(__clang__)
#define MOESIM_SIDE_BY_SIDE _Pragma("GCC unroll 1")
#else
#define MOESIM_SIDE_BY_SIDE
#endif

// Of a function that such functions are made of: it is compiled as part of each, for its width.
#if defined(__GNUC__)
#define MOESIM_PART_OF_ANY_WIDTH __attribute__((always_inline)) inline
#else
#define MOESIM_PART_OF_ANY_WIDTH inline
#endif
