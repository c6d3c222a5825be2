// Grouped GEMM over exact rows, and the fused mixture layer of an engine made of two of them.
//
//   layer = launch + per_group x groups + per_selection x tokens x top_k
//         + gemm(gate and up) + gemm(down) + streamed / (bandwidth x stream_fraction)
//   gemm  = (compute^p + memory^p)^(1/p), compute the quickest of a list of tiles: waves x
//           (prologue + max(arithmetic, loads)) with ceil(rows / tile) in every group; memory is
//           the weights of the groups that have rows, and the rows in and out. Weights that are
//           wider than they lie in memory are widened in every tile, in part beside its arithmetic
//   single grouped GEMM = launch of a kernel + per_group x groups + gemm
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "hardware/kernels/expert_format.h"
#include "hardware/kernels/fitted.h"
#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/residual.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct MoeParameters {
  double launch_us;         // all launches of the layer
  double per_group_us;      // of this GPU's groups: offsets, descriptors
  double per_selection_ns;  // routing and sorting: of all tokens' selections
  double compute_fraction, power_slowdown;
  double memory_fraction, ramp_us, ramp_scale_us, overlap_power;
  double prologue_us, load_bytes_us, wave_quantisation;
  double stream_fraction;  // of the bandwidth: permute, quantise, activate, finalize
  double short_rows;       // arithmetic of a tile below 64 rows, as part of a 64-row tile
  // Of weights that are widened in registers (ExpertFormat::widened); other fits need not have
  // them.
  double widen_rate;   // weights a microsecond of one multiprocessor
  double widen_added;  // the part of that which no arithmetic hides
  // Of the bandwidth: rows of other ranks' experts that lie in the buffers (whole_buffers).
  double remote_fraction;
};

// A MoeShape or a grouped GEMM with its rows already counted.
struct MoeInput {
  double tokens = 0, hidden = 0, inter = 0, top_k = 1, experts = 0;
  GroupRows rows;
  ExpertFormat format;
  bool gated = true, routed = true;
  // Buffers have a row for every selection of all tokens, those of other ranks' experts, too, and
  // the activation and the sum run over them.
  bool whole_buffers = false;
  // One grouped GEMM alone, [rows, hidden] x [inter, hidden], in one launch: what a calibration
  // measures beside whole layers. The other fields then count for nothing.
  bool single = false;
};
MoeInput input_of(const MoeShape& shape, ExpertFormat format);
// Of an implementation's layers: vLLM's.
bool has_whole_buffers(std::string_view implementation);

// One grouped GEMM [rows, k] x [n, k] without its launch, microseconds.
double grouped_gemm_us(const GroupRows& rows, double n, double k, ExpertFormat format,
                       const Rates& rates, const MoeParameters& p);

struct MoeModel {
  using Shape = MoeInput;
  using Parameters = MoeParameters;
  static std::span<const ParameterField<MoeParameters>> fields();
  static double us(const MoeInput& input, const Rates& rates, const MoeParameters& p);
  static double least_us(const MoeInput& input, const Rates& rates);
  // Whether times of such inputs say something of an optional parameter.
  static bool tells(std::string_view parameter, const MoeInput& input);
  static constexpr std::array<std::string_view, 4> kFeatures{"rows_per_group", "active", "inter",
                                                             "tokens"};
  static constexpr std::size_t kInter = 2;  // its place
  static std::array<double, 4> features(const MoeInput& input);
  static constexpr std::array<std::string_view, 4> kBeside{"hidden", "top_k", "experts", "groups"};
  static std::array<double, 4> beside(const MoeInput& input);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const MoeInput& input, const Rates& rates);
};

// No less than with less work: moe_layer.h.
template <>
double Fitted<MoeModel>::us(const MoeInput& input, const Rates& rates) const;

}  // namespace moesim::hardware
