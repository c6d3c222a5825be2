// How far a price may be trusted, and whose numbers it rests on: recorded where a cost model is
// chosen, carried by every price, told to the user.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hardware/device.h"

namespace moesim::hardware {

// A cost model as it was chosen for one kind of work: what was asked for, and what answers.
struct ModelUse {
  // An input of the model, and what its fit has seen of it. Both ends 0: nothing of it.
  struct Axis {
    std::string name;
    double least = 0, most = 0;
    std::vector<double> counted = {};  // all values seen, where it is one that is counted: ranks
  };

  std::string kind = {};        // "gemm", "generation_attention", "nccl"
  std::string asked = {};       // implementation and variant that were wanted: "vllm bf16"
  std::string used = {};        // what answers: "sglang bf16", "roofline", "defaults"
  std::vector<Axis> axes = {};  // in the order of Trust::outside's bits; at most 32
  Provenance provenance = {};
  std::string carried_from = {};  // the device it was fitted on, where that is another one
  bool other_generation = false;  // and that device's architecture is another one
  bool unfitted = false;          // by no fit at all: the roofline
  double median_error_percent = 0, p90_error_percent = 0;  // of its hold-out

  bool stand_in() const { return asked != used; }
};

// What is known of one price: true over predicted at percentiles, and why it may be worse.
struct Trust {
  double p10 = 1, p90 = 1;        // 80 % of the true times lie between the two
  double low = 1, high = 1;       // 90 %
  const ModelUse* use = nullptr;  // null: of no model that could be named; outlives the price
  std::uint32_t outside = 0;      // bit i: axis i of the model lies beyond what its fit has seen

  // Whether the price lies outside what was measured: beyond the fit's range, by a stand-in, by a
  // fit of another generation, or by none.
  bool extrapolated() const {
    return outside != 0 ||
           (use != nullptr && (use->stand_in() || use->other_generation || use->unfitted));
  }
};

// Why a price is extrapolated, in words: "gemm trtllm nvfp4: no fit, trtllm fp8 stands in, k beyond
// 256 to 16384". Empty where it is not.
std::string reason_of(const ModelUse& use, std::uint32_t outside);

}  // namespace moesim::hardware
