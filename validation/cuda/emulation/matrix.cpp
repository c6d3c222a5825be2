#include "validation/cuda/emulation/matrix.h"

#include <cstring>

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/emulation/emulator.h"

namespace moesim::validation::cuda::emulation {
namespace {

template <class T>
T lane_of(const std::byte* slots, int lane) {
  T value;
  std::memcpy(static_cast<void*>(&value), slots + static_cast<std::size_t>(lane) * sizeof(T),
              sizeof(T));
  return value;
}

// `take(rows of matrix j)` is what this lane gets of it.
template <class Take>
void load_from_rows(std::uint32_t (&out)[4], const void* row, Take take) {
  require_shared(row, 16, "ldmatrix");
  if (shared_address(row) % 16 != 0) throw Misuse("ldmatrix: a row is not 16-byte aligned");
  const std::byte* slots = warp_exchange(static_cast<const void*>(&row), sizeof row);
  for (int j = 0; j < 4; ++j) {
    out[j] = take([&](int i) { return lane_of<const std::byte*>(slots, 8 * j + i); });
  }
  // The instruction is one: no lane goes on to overwrite what another has yet to read.
  const char nothing = 0;
  warp_exchange(&nothing, 1);
}

}  // namespace

void load_matrices(std::uint32_t (&out)[4], const void* row) {
  const int lane = thread_index() % 32;
  load_from_rows(out, row, [&](auto row_of) {
    std::uint32_t two;
    std::memcpy(&two, row_of(lane / 4) + (lane % 4) * 4, sizeof two);
    return two;
  });
}

void load_turned_matrices(std::uint32_t (&out)[4], const void* row) {
  const int lane = thread_index() % 32;
  load_from_rows(out, row, [&](auto row_of) {
    std::uint16_t upper, lower;
    std::memcpy(&upper, row_of(2 * (lane % 4)) + lane / 4 * 2, sizeof upper);
    std::memcpy(&lower, row_of(2 * (lane % 4) + 1) + lane / 4 * 2, sizeof lower);
    return std::uint32_t{upper} | std::uint32_t{lower} << 16;
  });
}

void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  struct Operands {
    std::uint32_t a[4];
    std::uint32_t b[2];
  } mine;
  std::memcpy(mine.a, a, sizeof mine.a);
  std::memcpy(mine.b, b, sizeof mine.b);
  const std::byte* slots = warp_exchange(&mine, sizeof mine);
  const int lane = thread_index() % 32;
  for (int c = 0; c < 4; ++c) {
    const int row = lane / 4;  // the upper half's rows are registers 1 and 3
    const int upper = c / 2;
    const int column = 2 * (lane % 4) + c % 2;
    float total = sum[c];
    for (int k = 0; k < 16; k += 2) {
      const auto left = lane_of<Operands>(slots, row * 4 + (k % 8) / 2);
      const auto right = lane_of<Operands>(slots, column * 4 + (k % 8) / 2);
      const std::uint32_t x = left.a[upper + 2 * (k / 8)];
      const std::uint32_t y = right.b[k / 8];
      total += low_bf16(x) * low_bf16(y);
      total += high_bf16(x) * high_bf16(y);
    }
    sum[c] = total;
  }
}

}  // namespace moesim::validation::cuda::emulation
