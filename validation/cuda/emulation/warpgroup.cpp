#include "validation/cuda/emulation/warpgroup.h"

#include <array>
#include <cstring>

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/emulation/tensor_copy.h"

namespace moesim::validation::cuda::emulation {
namespace {

// An operand as its descriptor gives it (PTX ISA, "Matrix descriptor").
class Operand {
 public:
  explicit Operand(std::uint64_t descriptor)
      : start_(static_cast<std::uint32_t>((descriptor & 0x3fffu) << 4)),
        group_(static_cast<std::uint32_t>(((descriptor >> 32) & 0x3fffu) << 4)) {
    if (descriptor >> 62 != 1) throw Misuse("wgmma: only the 128-byte swizzle is modelled");
    if (((descriptor >> 49) & 7u) != 0) throw Misuse("wgmma: a base offset is not modelled");
  }
  // 16 bytes of a row, K-major, as the hardware finds them: the swizzle works on whole addresses.
  const std::byte* piece(std::uint32_t row, std::uint32_t byte_of_k) const {
    const std::uint32_t address = start_ + row / 8 * group_ + row % 8 * 128 + byte_of_k;
    const std::byte* place = shared_pointer(swizzle128(address));
    require_shared(place, 16, "wgmma: an operand");
    return place;
  }

 private:
  std::uint32_t start_, group_;
};

constexpr int kBytesOfK = 32;  // one instruction: 16 bf16 or 32 fp8

void read_row(const Operand& operand, std::uint32_t row, bool fp8, std::array<float, 32>& out) {
  std::size_t filled = 0;
  for (std::uint32_t byte = 0; byte < kBytesOfK; byte += 16) {
    const std::byte* piece = operand.piece(row, byte);
    if (fp8) {
      for (int i = 0; i < 16; ++i) {
        out[filled++] = to_float(Fp8{std::to_integer<std::uint8_t>(piece[i])});
      }
    } else {
      for (std::size_t i = 0; i < 8; ++i) {
        Bf16 value;
        std::memcpy(&value, piece + 2 * i, 2);
        out[filled++] = to_float(value);
      }
    }
  }
}

// The part of a product that the 16 rows of one warp are: lane by lane, with each lane's own list.
void perform(const std::array<const WarpgroupProduct*, 32>& lanes, std::uint32_t warp) {
  const WarpgroupProduct& first = *lanes[0];
  const Operand a(first.a), b(first.b);
  const std::size_t depth = first.fp8 ? 32 : 16;
  std::array<std::array<float, 32>, 16> rows;
  for (std::uint32_t r = 0; r < 16; ++r) read_row(a, warp * 16 + r, first.fp8, rows[r]);
  std::array<float, 32> column;
  for (int n = 0; n < first.n; ++n) {
    read_row(b, static_cast<std::uint32_t>(n), first.fp8, column);
    for (std::size_t r = 0; r < 16; ++r) {
      float total = 0;
      for (std::size_t k = 0; k < depth; ++k) total += rows[r][k] * column[k];
      const std::size_t lane = r % 8 * 4 + static_cast<std::size_t>(n % 8 / 2);
      float& sum = lanes[lane]->sum[n / 8 * 4 + (r / 8 == 1 ? 2 : 0) + n % 2];
      sum = first.accumulate ? sum + total : total;
    }
  }
}

}  // namespace

void warpgroup_fence() {
  thread_state().fenced = true;
}

void warpgroup_product(const WarpgroupProduct& product) {
  ThreadState& state = thread_state();
  if (!state.fenced) throw Misuse("wgmma: no wgmma.fence since the sums were last touched");
  if (block_size() % 128 != 0) throw Misuse("wgmma: the block is not made of warpgroups");
  state.open_products.push_back(product);
}

void warpgroup_commit() {
  ThreadState& state = thread_state();
  state.product_groups.push_back(std::move(state.open_products));
  state.open_products.clear();
}

void warpgroup_wait(int pending) {
  const auto warp = static_cast<std::uint32_t>(thread_index() / 32 % 4);
  warp_once([&] {
    std::array<ThreadState*, 32> lanes;
    for (int lane = 0; lane < 32; ++lane) {
      lanes[static_cast<std::size_t>(lane)] = &thread_state(lane);
    }
    while (lanes[0]->product_groups.size() > static_cast<std::size_t>(pending)) {
      const std::size_t count = lanes[0]->product_groups.front().size();
      for (std::size_t i = 0; i < count; ++i) {
        std::array<const WarpgroupProduct*, 32> products{};
        for (std::size_t lane = 0; lane < 32; ++lane) {
          const auto& groups = lanes[lane]->product_groups;
          if (groups.empty() || groups.front().size() != count) {
            throw Misuse("wgmma: the lanes of a warp issued different products");
          }
          const WarpgroupProduct& mine = groups.front()[i];
          if (lane > 0 && (mine.a != products[0]->a || mine.b != products[0]->b ||
                           mine.accumulate != products[0]->accumulate)) {
            throw Misuse("wgmma: the lanes of a warp gave different operands");
          }
          products[lane] = &mine;
        }
        perform(products, warp);
      }
      for (ThreadState* lane : lanes) lane->product_groups.pop_front();
    }
    // Sums may be touched again once nothing is under way; then a new fence is due.
    for (ThreadState* lane : lanes) {
      if (lane->product_groups.empty()) lane->fenced = false;
    }
  });
}

}  // namespace moesim::validation::cuda::emulation
