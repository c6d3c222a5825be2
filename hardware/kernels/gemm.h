// Dense GEMM: y[m, n] = x[m, k] W[n, k]^T.
//
//   t = launch + (compute^p + traffic^p)^(1/p) + quantisation
//   compute  the quickest of a list of tiles and splits of k:
//            waves x (prologue + max(tile arithmetic, tile loads)), plus the sum of the splits
//   traffic  bytes / bandwidth, plus a ramp that a short transfer does not get past
//   quantisation (below 16 bits, where x is not quantised)  its launches, and 3 bytes an element of
//            x at a part of bandwidth
//
// A table that has the quantisation in its times tells the sum of the launches only: the product's
// is bounded by what SGLang's tables have for both, the rest is quantisation (gemm.cpp).
//
// Why the terms are what they are, and where they were seen, is in hardware/kernels/README.md.
#pragma once

#include <array>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/rising.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct GemmParameters {
  double launch_us;          // of one kernel, from end to end of an empty one
  double compute_fraction;   // of the peak that a full tile reaches
  double power_slowdown;     // how much slower at high arithmetic intensity: clocks fall
  double memory_fraction;    // of the memory's bandwidth, before the multiprocessors' own limit
  double ramp_us;            // that a long transfer loses to its start and its tail
  double ramp_scale_us;      // the length of transfer at which most of it is lost
  double overlap_power;      // p: 1 is one after the other, many is perfect overlap
  double prologue_us;        // of each tile
  double load_bytes_us;      // into one multiprocessor: bytes a microsecond
  double wave_quantisation;  // 1: waves are whole, 0: the last is as full as the rest
  double split_us;           // a second pass that adds up the splits
  double split_speed;        // its traffic, over twice the memory's bandwidth
  double l2_from, l2_to;     // footprint over L2 at which residency begins to fade, and is gone
  double l2_speedup;         // of resident weights, over memory
  // Of tables that have it in their times; other fits need not.
  double quantise_us;        // launches of the quantisation
  double quantise_fraction;  // of the bandwidth that it reaches
  double most_splits;        // of k, of nvfp4's kernels; other fits need not have it
};

struct GemmModel {
  using Shape = GemmShape;
  using Parameters = GemmParameters;
  static std::span<const ParameterField<GemmParameters>> fields();
  static double us(const GemmShape& shape, const Rates& rates, const GemmParameters& p);
  static double least_us(const GemmShape& shape, const Rates& rates);
  // Whether times of such products say something of an optional parameter, and how large a
  // parameter may be by them.
  static bool tells(std::string_view parameter, const GemmShape& shape);
  static double most(const ParameterField<GemmParameters>& field, const GemmShape& shape);
  // tail: the empty part of the last tile of rows.
  static constexpr std::array<std::string_view, 4> kFeatures{"m", "n", "k", "tail"};
  static std::array<double, 4> features(const GemmShape& shape);
  static std::vector<std::vector<double>> knots();
  static const std::vector<Ladder>& ladders(const GemmShape& shape);  // of m, or none
  static std::array<double, 1> sizes(const GemmShape& shape);
  static GemmShape with_sizes(GemmShape shape, const std::array<double, 1>& sizes);
  static std::string_view regime(const GemmShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
