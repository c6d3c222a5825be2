// The router: scores of a token's logits, and its top-k experts with their weights.
//
// softmax: score = exp(l - max) / sum; sigmoid: score = 1 / (1 + exp(-l)). The choice is made on
// score + bias (DeepSeek-V3 report, 2.1.2), where `groups` > 1 only among the experts of the
// `top_groups` groups whose two best sum highest; the weights are the scores without bias, over
// their sum where `normalise`, times `scale`. At equal scores the lower expert wins.
#pragma once

#include <cmath>

#include "validation/cuda/device/platform.cuh"
#include "validation/cuda/device/warp.cuh"
#include "validation/cuda/kernels/arguments.h"

namespace moesim::validation::cuda {

inline constexpr int kRouterWarps = 4;

struct RouterShared {
  float choice[kRouterWarps][kMaxExperts];
  float group[kRouterWarps][kMaxExperts];
};

// One warp a token; kPerLane * 32 >= experts. Lane l has the experts l, l + 32, l + 64, …
template <int kPerLane>
__global__ void __launch_bounds__(kRouterWarps* kWarpSize) router(RouterArgs args) {
  auto& shared = shared_as<RouterShared>();
  const int warp = warp_index(), lane = lane_index();
  const float minus_infinity = -INFINITY;
  for (int token = block_index() * kRouterWarps + warp; token < args.tokens;
       token += grid_size() * kRouterWarps) {
    const float* logits = args.logits + static_cast<std::ptrdiff_t>(token) * args.experts;
    float score[kPerLane], choice[kPerLane];
    float highest = minus_infinity;
    MOESIM_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const int expert = lane + i * kWarpSize;
      score[i] = expert < args.experts ? logits[expert] : minus_infinity;
      highest = fmaxf(highest, score[i]);
    }
    if (args.sigmoid) {
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) score[i] = 1.0f / (1.0f + expf(-score[i]));
    } else {
      highest = warp_max(highest);
      float sum = 0;
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        score[i] = expf(score[i] - highest);
        sum += score[i];
      }
      sum = warp_sum(sum);
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) score[i] /= sum;
    }
    MOESIM_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const int expert = lane + i * kWarpSize;
      choice[i] = expert < args.experts
                      ? score[i] + (args.bias != nullptr ? args.bias[expert] : 0.0f)
                      : minus_infinity;
    }

    if (args.groups > 1) {
      const int group_size = args.experts / args.groups;
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        const int expert = lane + i * kWarpSize;
        if (expert < args.experts) shared.choice[warp][expert] = choice[i];
      }
      sync_warp();
      for (int group = lane; group < args.groups; group += kWarpSize) {
        float best = minus_infinity, second = minus_infinity;
        for (int j = 0; j < group_size; ++j) {
          const float value = shared.choice[warp][group * group_size + j];
          second = fmaxf(second, fminf(best, value));
          best = fmaxf(best, value);
        }
        shared.group[warp][group] = group_size > 1 ? best + second : best;
      }
      sync_warp();
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        const int expert = lane + i * kWarpSize;
        if (expert >= args.experts) continue;
        const int mine = expert / group_size;
        const float value = shared.group[warp][mine];
        int better = 0;
        for (int other = 0; other < args.groups; ++other) {
          const float rival = shared.group[warp][other];
          if (rival > value || (rival == value && other < mine)) ++better;
        }
        if (better >= args.top_groups) choice[i] = minus_infinity;
      }
      sync_warp();
    }

    float chosen_score = 0, total = 0;  // lane k keeps the k-th
    int chosen = -1;
    for (int k = 0; k < args.top_k; ++k) {
      float best = minus_infinity, best_score = 0;
      int best_expert = kMaxExperts;
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        if (choice[i] > best) {
          best = choice[i];
          best_score = score[i];
          best_expert = lane + i * kWarpSize;
        }
      }
      MOESIM_UNROLL
      for (int mask = kWarpSize / 2; mask > 0; mask /= 2) {
        const float rival = shuffle_xor(best, mask);
        const float rival_score = shuffle_xor(best_score, mask);
        const int rival_expert = shuffle_xor(best_expert, mask);
        if (rival > best || (rival == best && rival_expert < best_expert)) {
          best = rival;
          best_score = rival_score;
          best_expert = rival_expert;
        }
      }
      MOESIM_UNROLL
      for (int i = 0; i < kPerLane; ++i) {
        if (lane + i * kWarpSize == best_expert) choice[i] = minus_infinity;
      }
      total += best_score;
      if (lane == k) {
        chosen = best_expert;
        chosen_score = best_score;
      }
    }
    if (lane < args.top_k) {
      const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(token) * args.top_k + lane;
      args.ids[place] = chosen;
      args.weights[place] = (args.normalise ? chosen_score / total : chosen_score) * args.scale;
    }
  }
}

template <class Launcher>
void launch_router(Launcher& launcher, const RouterArgs& args) {
  if (args.tokens == 0) return;
  const int grid = ceil_div(args.tokens, kRouterWarps);
  const auto go = [&](auto kernel) {
    launcher.launch(kernel, grid, kRouterWarps * kWarpSize, shared_bytes<RouterShared>(), args);
  };
  if (args.experts <= 32) {
    go(router<1>);
  } else if (args.experts <= 128) {
    go(router<4>);
  } else if (args.experts <= 256) {
    go(router<8>);
  } else {
    go(router<16>);
  }
}

}  // namespace moesim::validation::cuda
