// Marks a function whose loops run with wider registers where the machine has them. REQUIRES: that
// its arithmetic is element by element, or over lanes in their order, so that any width gives the
// same bytes.
#pragma once

// A sanitizer's runtime is not up yet when such a function is chosen.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MOESIM_ANY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MOESIM_ANY_WIDTH
#endif
