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

// The most that a residual table of experts says at a knot of an axis, with the layer's width and
// no more on the other axes than a place has.
class MoeCeilings {
 public:
  // Of a table with other axes than MoeModel's there is none.
  explicit MoeCeilings(const ResidualTable& table);
  // A place among the knots: on each axis those around it.
  struct Place {
    std::array<std::size_t, 4> below{}, above{};
  };
  Place place(const std::array<double, 4>& features) const;
  double at(std::size_t axis, std::size_t knot, Place place) const;

 private:
  std::array<std::vector<double>, 4> knots_;
  std::array<std::size_t, 4> strides_{};
  std::array<std::vector<double>, 4> most_;  // by axis: [as the table's values]
};

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
  enum Axis : std::size_t { kRowsPerGroup, kActive, kInter, kTokens };  // their places
  static std::array<double, 4> features(const MoeInput& input);
  static constexpr std::array<std::string_view, 4> kBeside{"hidden", "top_k", "experts", "groups"};
  static std::array<double, 4> beside(const MoeInput& input);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const MoeInput& input, const Rates& rates);

  // Layers of no more tokens in no more rows than this one's, at the knots of a residual table:
  // where such a batch was on its way here (thinned), and fewer tokens that may give the same rows.
  struct Earlier {
    double tokens = 0;
    double share = 1;  // of the rows (thinned)
    double rows = 0, active = 0;
  };
  struct Smaller {
    std::array<Earlier, 32> at;
    std::size_t count = 0;
  };
  // Only those at knots where the table may say more than `left`.
  // REQUIRES: the table's axes are the first of kFeatures
  using OfTable = MoeCeilings;
  static Smaller smaller(const MoeInput& input, const ResidualTable& table,
                         const MoeCeilings& ceilings, double left);
  static std::array<double, 4> features(const MoeInput& input, const Earlier& earlier);
};

// No less than with less work (MoeModel::smaller): a residual table that falls faster than its
// formula rises counts for nothing. It turns at its knots, and is looked at there alone. No ladder
// (rising.h) orders the rows of many groups.
template <>
double Fitted<MoeModel>::us(const MoeInput& input, const Rates& rates) const;

}  // namespace moesim::hardware
