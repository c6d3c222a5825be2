#include "validation/cuda/emulation/tensor_copy.h"

#include <cstring>

#include "validation/cuda/emulation/barrier.h"
#include "validation/cuda/emulation/emulator.h"

namespace moesim::validation::cuda::emulation {
namespace {

void require_map(const TensorShape& shape) {
  const std::uint64_t element = bytes_of(shape.element);
  if (shape.rank < 1 || shape.rank > 3) throw Misuse("tensor map: one to three directions");
  if (reinterpret_cast<std::uintptr_t>(shape.base) % 16 != 0) {
    throw Misuse("tensor map: the base is not 16-byte aligned");
  }
  for (int d = 0; d < shape.rank; ++d) {
    if (shape.box[d] < 1 || shape.box[d] > 256) throw Misuse("tensor map: a box of 1 to 256");
    if (shape.size[d] < 1) throw Misuse("tensor map: an empty direction");
    if (d > 0 && shape.stride[d] % 16 != 0) {
      throw Misuse("tensor map: a stride is not a multiple of 16 bytes");
    }
  }
  if (shape.box[0] * element % 16 != 0) throw Misuse("tensor map: a box row of 16-byte multiples");
  if (shape.swizzle128 && shape.box[0] * element != 128) {
    throw Misuse("tensor map: the 128-byte swizzle takes box rows of 128 bytes");
  }
}

struct BoxCopy {
  TensorShape shape;
  std::array<int, 3> at;
  std::uint32_t to;
  std::uint64_t* barrier;

  std::uint32_t bytes() const {
    return shape.box[0] * shape.box[1] * shape.box[2] *
           static_cast<std::uint32_t>(bytes_of(shape.element));
  }

  void perform() const {
    const auto element = static_cast<std::uint32_t>(bytes_of(shape.element));
    std::uint32_t target = to;
    for (std::uint32_t z = 0; z < shape.box[2]; ++z) {
      for (std::uint32_t y = 0; y < shape.box[1]; ++y) {
        for (std::uint32_t x = 0; x < shape.box[0]; ++x, target += element) {
          std::byte* place = shared_pointer(shape.swizzle128 ? swizzle128(target) : target);
          const std::int64_t index[3] = {at[0] + std::int64_t{x}, at[1] + std::int64_t{y},
                                         at[2] + std::int64_t{z}};
          bool inside = true;
          std::uint64_t offset = 0;
          for (int d = 0; d < shape.rank; ++d) {
            inside = inside && index[d] >= 0 && index[d] < static_cast<std::int64_t>(shape.size[d]);
            offset += static_cast<std::uint64_t>(index[d]) * (d == 0 ? element : shape.stride[d]);
          }
          if (inside) {
            std::memcpy(place, static_cast<const std::byte*>(shape.base) + offset, element);
          } else {
            std::memset(place, 0, element);
          }
        }
      }
    }
    barrier_complete_bytes(barrier, bytes());
  }
};

}  // namespace

void tensor_copy(void* to, const TensorMap& map, std::array<int, 3> at, std::uint64_t* barrier) {
  require_map(map.shape);
  if (static_cast<std::uint64_t>(at[0]) * bytes_of(map.shape.element) % 16 != 0) {
    throw Misuse("a bulk tensor copy: the box does not begin at a multiple of 16 bytes");
  }
  require_barrier(barrier, "a bulk tensor copy");
  const BoxCopy copy{map.shape, at, shared_address(to), barrier};
  require_shared(to, copy.bytes(), "a bulk tensor copy");
  if (copy.to % (map.shape.swizzle128 ? 1024 : 128) != 0) {
    throw Misuse("a bulk tensor copy: the destination is not aligned");
  }
  engine_submit([copy] { copy.perform(); });
}

}  // namespace moesim::validation::cuda::emulation
