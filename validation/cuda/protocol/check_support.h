// What the checks of all kernels share.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "validation/cuda/protocol/checks.h"

namespace moesim::validation::cuda {

inline std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// "7x4x136"
inline std::string product(std::initializer_list<int> sizes) {
  std::string text;
  for (const int size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

// Room behind an output that nobody may write to.
inline constexpr std::size_t kGuard = 1024;

template <class T>
std::array<std::byte, sizeof(T)> bytes_of(const T& value) {
  return std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
}

// Notes what was written there.
template <class T>
void look_beyond(Check& check, const Buffer<T>& buffer, std::size_t used) {
  const std::vector<T> guard = buffer.read(used, buffer.size() - used);
  std::size_t touched = 0;
  for (const T& value : guard) {
    const auto bytes = bytes_of(value);
    if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0xff}; })) ++touched;
  }
  if (touched > 0) {
    check.trouble = std::to_string(touched) + " values beyond the output were written";
  }
}

template <class T>
bool equal(const T& a, const T& b) {
  return bytes_of(a) == bytes_of(b);
}

// Every value must be the same to the bit.
template <class T>
void count_unequal(Check& check, const std::vector<T>& out, const std::vector<T>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!equal(out[i], expected[i])) ++check.error;
  }
  check.compared += static_cast<std::int64_t>(expected.size());
}

// Runs it, or notes why it cannot be run.
inline bool attempt(Machine& machine, const Operation& operation, Check& check) {
  if (const auto reason = machine.cannot(operation)) {
    check.skipped = reason->why;
    return false;
  }
  machine.run(operation);
  return true;
}

}  // namespace moesim::validation::cuda
