// TensorRT-LLM's all-to-all of tokens within one NVLink domain (NVL72: GPUs read and write each
// other's memory), one kernel for each step of it:
//
//   prepare   launch + hops log2(n) + tokens x token: which rows go where
//   dispatch, combine
//             launch + hops log2(n) + tokens x token
//             + remote / (link x efficiency x (1 - loss / n)) + own / (bandwidth x stream)
//   remote    tokens x width x distinct ranks of a token x (n - 1) / n;   own: x 1 / n
//
// A token goes once to each rank that has an expert of its, min(n, k) of them where the choice is
// balanced. Public rows: GB200, aiconfigurator 095f58a5.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

struct NvlinkAllToAllShape {
  double ranks = 2;
  double tokens = 0;       // of a rank
  double token_bytes = 0;  // of one, as it goes; zero where none does (prepare)
  double top_k = 1;
};

struct NvlinkAllToAllParameters {
  double launch_us, hop_us;  // hop: for each doubling of ranks
  double token_ns;           // of a token: its indices
  double efficiency, loss;   // of the link
  double stream_fraction;    // of the memory's bandwidth
};

struct NvlinkAllToAllModel {
  using Shape = NvlinkAllToAllShape;
  using Parameters = NvlinkAllToAllParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 1> kCounted{"ranks"};
  static constexpr std::array<std::string_view, 2> kFeatures{"tokens", "ranks"};
  static std::array<double, 2> features(const Shape& shape);
  static constexpr std::array<std::string_view, 2> kBeside{"token_bytes", "top_k"};
  static std::array<double, 2> beside(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
