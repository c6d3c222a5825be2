#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "validation/cuda/device/async_copy.cuh"
#include "validation/cuda/device/numbers.h"
#include "validation/cuda/device/tensor_copy.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/device/warpgroup.cuh"
#include "validation/cuda/emulation/launcher.h"

using namespace moesim::validation::cuda;
using emulation::Engine, emulation::Options, emulation::Order;

namespace {

const Options kAll[] = {{Order::Forward, Engine::Eager},      {Order::Forward, Engine::Lazy},
                        {Order::Warps, Engine::Eager},        {Order::Warps, Engine::Lazy},
                        {Order::ReverseWarps, Engine::Eager}, {Order::ReverseWarps, Engine::Lazy}};

}  // namespace

TEST_CASE("threads of a block meet at a barrier, in every order") {
  for (const Options& options : kAll) {
    std::vector<int> seen(64);
    emulation::launch(1, 64, 64 * sizeof(int), options, [&] {
      int* shared = reinterpret_cast<int*>(dynamic_shared());
      shared[thread_index()] = thread_index();
      sync_threads();
      // Without the barrier some order would find the neighbour unwritten.
      seen[static_cast<std::size_t>(thread_index())] = shared[63 - thread_index()];
    });
    for (int i = 0; i < 64; ++i) CHECK(seen[static_cast<std::size_t>(i)] == 63 - i);
  }
}

TEST_CASE("a thread that does not come to a barrier is a deadlock, with names") {
  CHECK_THROWS_WITH_AS(emulation::launch(1, 64, 0, {},
                                         [] {
                                           if (thread_index() != 5) sync_threads();
                                         }),
                       "deadlock in block 0: 63 threads (first 0) wait for a barrier of the block",
                       emulation::Deadlock);
}

TEST_CASE("shared memory is full of NaN before each block") {
  std::vector<float> seen(2);
  emulation::launch(2, 1, 4, {}, [&] {
    auto* shared = reinterpret_cast<float*>(dynamic_shared());
    seen[static_cast<std::size_t>(block_index())] = *shared;
    *shared = 1;
  });
  CHECK(std::isnan(seen[0]));
  CHECK(std::isnan(seen[1]));
}

TEST_CASE("lanes add up by shuffles") {
  std::vector<int> prefix(32);
  emulation::launch(1, 32, 0, {Order::ReverseWarps, Engine::Lazy}, [&] {
    prefix[static_cast<std::size_t>(lane_index())] = warp_prefix_sum(lane_index() + 1);
  });
  // 1 + 2 + … + n = n (n + 1) / 2.
  for (int n = 1; n <= 32; ++n) CHECK(prefix[static_cast<std::size_t>(n - 1)] == n * (n + 1) / 2);
}

TEST_CASE("four lanes turn words into pieces") {
  std::vector<std::uint32_t> out(128);
  emulation::launch(1, 32, 0, {}, [&] {
    std::uint32_t word[4];
    for (unsigned i = 0; i < 4; ++i) word[i] = i * 100 + static_cast<unsigned>(lane_index());
    quad_transpose(word);
    for (std::size_t i = 0; i < 4; ++i)
      out[static_cast<std::size_t>(lane_index()) * 4 + i] = word[i];
  });
  // Lane 4 q + i has word i of lanes 4 q … 4 q + 3.
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned j = 0; j < 4; ++j) CHECK(out[lane * 4 + j] == lane % 4 * 100 + lane / 4 * 4 + j);
  }
}

TEST_CASE("an asynchronous copy lands at its wait") {
  alignas(16) const float source[4] = {1, 2, 3, 4};
  float before = 0, after = 0;
  emulation::launch(1, 1, 16, {Order::Forward, Engine::Lazy}, [&] {
    auto* shared = reinterpret_cast<float*>(dynamic_shared());
    async_copy16(shared, source, 16);
    async_commit();
    before = shared[2];
    async_wait<0>();
    after = shared[2];
  });
  CHECK(std::isnan(before));
  CHECK(after == 3);
}

TEST_CASE("a bulk copy lands through the swizzle, with zeros outside the tensor") {
  // 3 rows of 64; the box has 4 rows from row 1 on: two real, two of zeros.
  std::vector<Bf16> source(3 * 64 + 8);
  auto* base = source.data();
  while (reinterpret_cast<std::uintptr_t>(base) % 16 != 0) ++base;
  for (int i = 0; i < 3 * 64; ++i)
    base[i] = to_bf16(static_cast<float>(i % 64 + 64 * (i / 64 % 2)));
  TensorShape shape;
  shape.base = base;
  shape.size[0] = 64;
  shape.size[1] = 3;
  shape.stride[1] = 128;
  shape.box[0] = 64;
  shape.box[1] = 4;
  shape.swizzle128 = true;
  struct alignas(1024) Shared {
    Bf16 box[4 * 64];
    Barrier barrier;
  };
  for (const Options& options : kAll) {
    std::vector<float> seen(std::size_t{4} * 64);
    emulation::launch(1, 32, shared_bytes<Shared>(), options, [&] {
      auto& shared = shared_as<Shared>();
      if (thread_index() == 0) {
        barrier_init(shared.barrier, 1);
        fence_barrier_init();
        barrier_arrive_expect(shared.barrier, sizeof shared.box);
        tensor_copy_2d(shared.box, TensorMap{shape}, 0, 1, shared.barrier);
      }
      sync_threads();
      barrier_wait(shared.barrier, 0);
      if (thread_index() == 7) {
        for (int i = 0; i < 4 * 64; ++i)
          seen[static_cast<std::size_t>(i)] = to_float(shared.box[i]);
      }
    });
    // Row r of the box keeps its 16-byte piece p (8 values) at piece p ^ r.
    for (int r = 0; r < 4; ++r) {
      for (int x = 0; x < 64; ++x) {
        const int place = r * 64 + ((x / 8) ^ r) * 8 + x % 8;
        const float expected = r == 0   ? static_cast<float>(x + 64)
                               : r == 1 ? static_cast<float>(x)
                                        : 0;
        CHECK(seen[static_cast<std::size_t>(place)] == expected);
      }
    }
  }
}

TEST_CASE("a barrier that expects more bytes than come is a deadlock") {
  struct Shared {
    Barrier barrier;
  };
  CHECK_THROWS_WITH_AS(emulation::launch(1, 1, shared_bytes<Shared>(), {},
                                         [] {
                                           auto& shared = shared_as<Shared>();
                                           barrier_init(shared.barrier, 1);
                                           fence_barrier_init();
                                           barrier_arrive_expect(shared.barrier, 64);
                                           barrier_wait(shared.barrier, 0);
                                         }),
                       "deadlock in block 0: 1 threads (first 0) wait for an mbarrier, parity 0",
                       emulation::Deadlock);
}

TEST_CASE("instructions that the hardware does not define are refused") {
  struct Shared {
    Barrier barrier;
  };
  const auto run = [](const auto& kernel) {
    emulation::launch(1, 32, shared_bytes<Shared>(), {}, kernel);
  };
  CHECK_THROWS_WITH_AS(run([] { barrier_wait(shared_as<Shared>().barrier, 0); }),
                       "mbarrier.try_wait: the barrier is not initialised", emulation::Misuse);
  CHECK_THROWS_WITH_AS(run([] {
                         barrier_init(shared_as<Shared>().barrier, 1);
                         barrier_wait(shared_as<Shared>().barrier, 1);
                       }),
                       "mbarrier.try_wait: no fence since the barrier was initialised",
                       emulation::Misuse);
  CHECK_THROWS_WITH_AS(run([] {
                         const TensorMap map{};
                         tensor_copy_2d(&shared_as<Shared>(), map, 0, 0,
                                        shared_as<Shared>().barrier);
                       }),
                       "tensor map: a box row of 16-byte multiples", emulation::Misuse);
  CHECK_THROWS_WITH_AS(run([] {
                         TensorMap map{};
                         map.shape.rank = 4;
                         tensor_copy_2d(&shared_as<Shared>(), map, 0, 0,
                                        shared_as<Shared>().barrier);
                       }),
                       "tensor map: one to three directions", emulation::Misuse);
  // Floats from the third on: 12 bytes from the start.
  CHECK_THROWS_WITH_AS(
      run([] {
        TensorMap map{};
        map.shape.element = TensorElement::Float;
        map.shape.size[0] = map.shape.box[0] = 8;
        tensor_copy_2d(&shared_as<Shared>(), map, 3, 0, shared_as<Shared>().barrier);
      }),
      "a bulk tensor copy: the box does not begin at a multiple of 16 bytes", emulation::Misuse);
  CHECK_THROWS_WITH_AS(run([] { async_copy16(&shared_as<Shared>().barrier, nullptr, 0); }),
                       "cp.async lies outside the block's shared memory", emulation::Misuse);
  CHECK_THROWS_WITH_AS(run([] {
                         float sum[64];
                         product_bf16(sum, 0, 0, false);
                       }),
                       "wgmma: no wgmma.fence since the sums were last touched", emulation::Misuse);
  CHECK_THROWS_WITH_AS(emulation::launch(1, 2048, 0, {}, [] {}), "a block has 1 to 1024 threads",
                       emulation::Misuse);
  CHECK_THROWS_WITH_AS(emulation::launch(1, 32, 300 << 10, {}, [] {}),
                       "a block has 227 KiB of shared memory", emulation::Misuse);
}

TEST_CASE("an operand's descriptor has the fields that the instruction set gives") {
  // Address 0x2400: 0x240 in units of 16 bytes. 8 rows of 128 bytes apart: 64 units. Swizzle 1.
  const std::uint64_t d = operand_descriptor(0x2400);
  CHECK((d & 0x3fff) == 0x240);
  CHECK(((d >> 16) & 0x3fff) == 1);
  CHECK(((d >> 32) & 0x3fff) == 64);
  CHECK(((d >> 49) & 7) == 0);
  CHECK((d >> 62) == 1);
}
