// What the running thread has under way: cp.async groups and wgmma groups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "validation/cuda/emulation/emulator.h"

namespace moesim::validation::cuda::emulation {

struct Copy {
  void* to;
  const void* from;
  int valid;
};

struct WarpgroupProduct {
  std::uint64_t a, b;  // descriptors
  float* sum;
  int n;
  bool accumulate;
  bool fp8;
};

struct ThreadState : Attachment {
  std::vector<Copy> open_copies;
  std::deque<std::vector<Copy>> copy_groups;
  std::vector<WarpgroupProduct> open_products;
  std::deque<std::vector<WarpgroupProduct>> product_groups;
  bool fenced = false;  // wgmma.fence since the last wait
};

inline ThreadState& thread_state(int lane_of_warp = -1) {
  std::unique_ptr<Attachment>& place = thread_attachment(lane_of_warp);
  if (!place) place = std::make_unique<ThreadState>();
  return static_cast<ThreadState&>(*place);
}

}  // namespace moesim::validation::cuda::emulation
