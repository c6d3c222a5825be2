#include "hardware/kernels/gemm.h"

#include <algorithm>
#include <cmath>

#include "hardware/kernels/memory_time.h"
#include "hardware/kernels/roofline.h"
#include "hardware/kernels/work.h"

namespace moesim::hardware {
namespace {

struct Tile {
  double rows, columns;
};
// What libraries have kernels for on tensor cores. Few rows are computed with operands swapped.
constexpr std::array<Tile, 16> kTiles{{{16, 64},
                                       {16, 128},
                                       {32, 64},
                                       {32, 128},
                                       {64, 32},
                                       {64, 64},
                                       {64, 128},
                                       {128, 32},
                                       {128, 64},
                                       {128, 128},
                                       {64, 256},
                                       {128, 192},
                                       {192, 128},
                                       {128, 256},
                                       {256, 128},
                                       {256, 64}}};
constexpr double kStepOfK = 64;      // k goes through a multiprocessor in steps of this
constexpr double kLeastSplit = 256;  // no split is shorter
constexpr double kMostSplits = 16;
constexpr double kMostCopies = 5;  // of the weights that benchmarks go round, to leave the L2

double real(std::int64_t n) {
  return static_cast<double>(n);
}

// Bytes of W an element, and of x: int4 is of weights alone, x stays in 16 bits.
double weight_bytes(Precision precision) {
  return std::min(2.0, bytes_per_element(precision));
}
double operand_bytes(Precision precision) {
  return precision == Precision::INT4 ? 2.0 : weight_bytes(precision);
}

// Whether x is computed with in fewer than 16 bits.
bool is_narrow(Precision precision) {
  return operand_bytes(precision) < 1.5;
}

struct Traffic {
  double weights, total;
};
Traffic traffic_of(const GemmShape& s) {
  const double m = real(s.m), n = real(s.n), k = real(s.k), width = operand_bytes(s.precision);
  const double weights = n * k * weight_bytes(s.precision);
  return {weights, weights + m * k * width + m * n * 2};
}

// The part of the traffic that the L2 serves when the same product is computed again and again.
double resident_part(const GemmShape& s, const Traffic& t, const Rates& r,
                     const GemmParameters& p) {
  if (!s.repeated) return 0;
  const double copies = std::clamp(std::ceil(r.l2 / t.weights), 1.0, kMostCopies);
  const double footprint = (copies * t.weights + t.total - t.weights) / r.l2;
  const double to = std::max(p.l2_to, p.l2_from + 1e-3);
  return std::clamp((to - footprint) / (to - p.l2_from), 0.0, 1.0);
}

double compute_us(const GemmShape& s, const Traffic& traffic, const Rates& r,
                  const GemmParameters& p) {
  const double m = real(s.m), n = real(s.n), k = real(s.k), width = operand_bytes(s.precision);
  const double intensity = 2 * m * n * k / traffic.total;
  const double rate = sustained_rate(r, p.compute_fraction, p.power_slowdown, intensity);
  const double sum_of_splits = m * n * 8 / (r.bandwidth * 2 * p.split_speed);
  double best = 1e300;
  for (const Tile& tile : kTiles) {
    if (tile.rows > 16 && m <= tile.rows / 2) continue;  // a smaller one does
    // The tensor cores work on 64 rows at least; fewer save their part of the operand only.
    const double rows = tile.rows < 64 ? 64 * (0.25 + 0.75 * tile.rows / 64) : tile.rows;
    const double tiles = std::ceil(m / tile.rows) * std::ceil(n / tile.columns);
    const double load =
        std::min(m, tile.rows) * width + std::min(n, tile.columns) * weight_bytes(s.precision);
    const double step = std::max(2 * rows * tile.columns / rate, load / p.load_bytes_us);
    for (double split = 1; split <= p.most_splits; split *= 2) {
      if (split > 1 && k / split < kLeastSplit) break;
      const double filled = tiles * split / r.multiprocessors;
      const double waves = p.wave_quantisation * std::ceil(filled) +
                           (1 - p.wave_quantisation) * std::max(1.0, filled);
      const double depth = std::ceil(k / split / kStepOfK) * kStepOfK;
      double time = waves * (p.prologue_us + depth * step);
      if (split > 1) time += p.split_us + split * sum_of_splits;
      best = std::min(best, time);
    }
  }
  return best;
}

// Both sides of each tile's edge; of larger tiles where they are many.
Ladder row_ladder() {
  constexpr double kMost = 1 << 18;
  Ladder ladder;
  for (double m = 1; m < 16; ++m) ladder.push_back(m);
  for (double m = 16; m < kMost; m += m < 256    ? 16
                                      : m < 1024 ? 64
                                                 : std::exp2(std::floor(std::log2(m)) - 3)) {
    ladder.push_back(m);
    ladder.push_back(m + 1);
  }
  ladder.push_back(kMost);
  return ladder;
}

}  // namespace

std::span<const ParameterField<GemmParameters>> GemmModel::fields() {
  using P = GemmParameters;
  static constexpr std::array<ParameterField<P>, 18> kFields{{
      {"launch_us", &P::launch_us, 2.0, 0.5, 30},
      {"compute_fraction", &P::compute_fraction, 0.81, 0.3, 0.99},
      {"power_slowdown", &P::power_slowdown, 0.02, 0.0005, 0.4},
      {"memory_fraction", &P::memory_fraction, 0.93, 0.6, 1},
      {"ramp_us", &P::ramp_us, 2.5, 0.05, 20},
      {"ramp_scale_us", &P::ramp_scale_us, 8, 0.3, 100},
      {"overlap_power", &P::overlap_power, 3, 1.2, 12},
      {"prologue_us", &P::prologue_us, 0.8, 0.05, 8},
      {"load_bytes_us", &P::load_bytes_us, 1.28e5, 5e3, 5e5},
      {"wave_quantisation", &P::wave_quantisation, 0.05, 0.01, 0.999},
      {"split_us", &P::split_us, 2.8, 0.02, 12},
      {"split_speed", &P::split_speed, 4, 0.2, 10},
      {"l2_from", &P::l2_from, 0.7, 0.02, 1.2},
      {"l2_to", &P::l2_to, 0.8, 0.3, 4},
      {"l2_speedup", &P::l2_speedup, 1.25, 1, 8},
      // Not told: a kernel of a few bytes an element, as TensorRT-LLM's fp8_block and SGLang's
      // have.
      {"quantise_us", &P::quantise_us, 2.5, 0.01, 30, ParameterField<P>::kOptional},
      {"quantise_fraction", &P::quantise_fraction, 0.5, 0.05, 2, ParameterField<P>::kOptional},
      {"most_splits", &P::most_splits, kMostSplits, 1, kMostSplits, ParameterField<P>::kOptional},
  }};
  return kFields;
}

double GemmModel::us(const GemmShape& s, const Rates& r, const GemmParameters& p) {
  if (s.m == 0 || s.n == 0 || s.k == 0) return 0;
  const Traffic traffic = traffic_of(s);
  const double compute = compute_us(s, traffic, r, p);
  const double resident = resident_part(s, traffic, r, p);
  const double from_memory = traffic.total * (1 - resident + resident / p.l2_speedup);
  const double memory =
      memory_us(from_memory, sustained_bandwidth(r, p.memory_fraction), p.ramp_us, p.ramp_scale_us);
  double time = p.launch_us + compute * std::pow(1 + std::pow(memory / compute, p.overlap_power),
                                                 1 / p.overlap_power);
  if (is_narrow(s.precision) && !s.quantised)  // x is read in 16 bits and written in 8
    time += p.quantise_us + 3 * real(s.m) * real(s.k) / (r.bandwidth * p.quantise_fraction);
  return std::max(time, s.host_us);
}

double GemmModel::least_us(const GemmShape& s, const Rates& r) {
  if (s.m == 0 || s.n == 0 || s.k == 0) return 0;
  Work work = work_of(s);
  // What goes round in a benchmark may never leave the L2.
  if (s.repeated && work.bytes < 2 * r.l2) work.bytes = 0;
  return least_us_of(work, r);
}

bool GemmModel::tells(std::string_view parameter, const GemmShape& s) {
  if (parameter == "most_splits") return s.precision == Precision::NVFP4;
  return !s.quantised;
}

double GemmModel::most(const ParameterField<GemmParameters>& field, const GemmShape& s) {
  // SGLang's fp8 of the smallest products takes 4.5 us on H100 and 4.8 on B200, its quantisation
  // included, in one kernel; TensorRT-LLM's 7 us more at every shape, in several. (Both have it in
  // their times: 32768 x 64 x 65536 takes 4.4 ms, 2 TB/s of 4 bytes an element of x; x in 8 bits
  // alone would take 0.64.)
  constexpr double kMostLaunch = 4.5;
  const bool lumped = is_narrow(s.precision) && !s.quantised && field.name == "launch_us";
  return lumped ? kMostLaunch : field.most;
}

std::array<double, 4> GemmModel::features(const GemmShape& s) {
  const double m = real(s.m);
  const double tile = m <= 16 ? 16 : m <= 64 ? 64 : m <= 128 ? 128 : 256;
  return {m, real(s.n), real(s.k), 1 - m / (std::ceil(m / tile) * tile)};
}

std::vector<std::vector<double>> GemmModel::knots() {
  return {{1, 16, 32, 64, 128, 256, 512, 1024, 4096, 32768},
          {32, 256, 1024, 4096, 16384, 65536},
          {32, 256, 1024, 4096, 16384, 65536},
          {0, 0.4, 1}};
}

// The kernels of fp8_block rise and fall with their tiles of rows, by up to a factor of two (public
// H100 table, n = 1024, k = 8192: 36.9 us for 129 rows, 16.9 for 256); of no other format by more
// than their noise.
const std::vector<Ladder>& GemmModel::ladders(const GemmShape& s) {
  static const std::vector<Ladder> kNone, kLadders{row_ladder()};
  return s.precision == Precision::FP8Block ? kNone : kLadders;
}

std::array<double, 1> GemmModel::sizes(const GemmShape& s) {
  return {real(s.m)};
}

GemmShape GemmModel::with_sizes(GemmShape s, const std::array<double, 1>& sizes) {
  s.m = static_cast<std::int64_t>(sizes[0]);
  return s;
}

std::string_view GemmModel::regime(const GemmShape& s, const Rates&) {
  return s.m <= 64 ? "few_rows" : s.m <= 1024 ? "some_rows" : "many_rows";
}

}  // namespace moesim::hardware
