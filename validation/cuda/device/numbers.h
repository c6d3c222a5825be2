// bf16 and fp8 (e4m3) as plain bits, with conversions that round to nearest even; the same on the
// device, in the emulator and on the host.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define MOESIM_ANYWHERE __host__ __device__
#else
#define MOESIM_ANYWHERE
#endif

namespace moesim::validation::cuda {

struct Bf16 {
  std::uint16_t bits;
};

// Sign, 4 bits of exponent (bias 7), 3 of mantissa; largest 448, no infinity, 0x7f is NaN
// (OCP 8-bit floating point 1.0).
struct Fp8 {
  std::uint8_t bits;
};

inline constexpr float kFp8Max = 448.0f;

MOESIM_ANYWHERE inline std::uint32_t float_bits(float x) {
  return __builtin_bit_cast(std::uint32_t, x);
}
MOESIM_ANYWHERE inline float bits_float(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

// 2^x, off by 2^-22 of it at most on a GPU (PTX ISA, ex2.approx); 0 below 2^-126 there.
MOESIM_ANYWHERE inline float power_of_two(float x) {
#ifdef __CUDA_ARCH__
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
#else
  return std::exp2(x);
#endif
}

MOESIM_ANYWHERE inline float to_float(Bf16 x) {
  return bits_float(static_cast<std::uint32_t>(x.bits) << 16);
}

MOESIM_ANYWHERE inline Bf16 to_bf16(float x) {
  const std::uint32_t bits = float_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};  // NaN
  const std::uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  return {static_cast<std::uint16_t>(rounded >> 16)};
}

// Two neighbours in memory: `low` comes first.
MOESIM_ANYWHERE inline std::uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return to_bf16(low).bits | (static_cast<std::uint32_t>(to_bf16(high).bits) << 16);
#endif
}

MOESIM_ANYWHERE inline float low_bf16(std::uint32_t packed) {
  return bits_float(packed << 16);
}
MOESIM_ANYWHERE inline float high_bf16(std::uint32_t packed) {
  return bits_float(packed & 0xffff0000u);
}

MOESIM_ANYWHERE inline float to_float(Fp8 x) {
  const std::uint32_t magnitude = x.bits & 0x7fu;
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x80u) << 24;
  if (magnitude == 0x7fu) return bits_float(0x7fc00000u);
  if (magnitude < 8) {  // subnormal: multiples of 2^-9
    const float value = static_cast<float>(magnitude) * 0x1p-9f;
    return bits_float(float_bits(value) | sign);
  }
  return bits_float(((magnitude << 20) + ((127u - 7u) << 23)) | sign);
}

// Saturates at 448.
MOESIM_ANYWHERE inline Fp8 to_fp8(float x) {
  const std::uint32_t bits = float_bits(x);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const auto sign = static_cast<std::uint8_t>((bits >> 24) & 0x80u);
  if (magnitude > 0x7f800000u) return {0x7f};
  if (magnitude < float_bits(0x1p-6f)) {
    // The sum's last bit is worth 2^-9 of x: the addition rounds to nearest even.
    const float sum = bits_float(magnitude) * 0x1p9f + 0x1p23f;
    return {static_cast<std::uint8_t>((float_bits(sum) & 0xfu) | sign)};
  }
  const std::uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
  const std::uint32_t code = (rounded >> 20) - ((127u - 7u) << 3);
  return {static_cast<std::uint8_t>((code > 0x7eu ? 0x7eu : code) | sign)};
}

// Four in the order of memory.
MOESIM_ANYWHERE inline std::uint32_t pack_fp8(float a, float b, float c, float d) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  std::uint16_t low, high;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(b), "f"(a));
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(d), "f"(c));
  return low | (static_cast<std::uint32_t>(high) << 16);
#else
  return to_fp8(a).bits | (static_cast<std::uint32_t>(to_fp8(b).bits) << 8) |
         (static_cast<std::uint32_t>(to_fp8(c).bits) << 16) |
         (static_cast<std::uint32_t>(to_fp8(d).bits) << 24);
#endif
}

// 64 bits that look random, of a counter (the finaliser of splitmix64).
MOESIM_ANYWHERE inline std::uint64_t hash_bits(std::uint64_t seed, std::uint64_t counter) {
  std::uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Near normal, mean 0, variance 1: the sum of four uniforms.
MOESIM_ANYWHERE inline float hash_normal(std::uint64_t seed, std::uint64_t counter) {
  const std::uint64_t bits = hash_bits(seed, counter);
  const int sum = static_cast<int>(bits & 0xffffu) + static_cast<int>((bits >> 16) & 0xffffu) +
                  static_cast<int>((bits >> 32) & 0xffffu) + static_cast<int>(bits >> 48);
  // Variance of a sum of four uniforms on 0 … 65535: 4 * 65536^2 / 12.
  return static_cast<float>(sum - 2 * 65535) * (1.7320508f / 65536.0f);
}

}  // namespace moesim::validation::cuda
