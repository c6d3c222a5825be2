#include "hardware/kernels/moe.h"

#include <algorithm>
#include <cmath>

#include "hardware/kernels/memory_time.h"
#include "hardware/kernels/roofline.h"
#include "sim/any_width.h"

namespace moesim::hardware {
namespace {

constexpr std::array<double, 3> kColumnTiles{64, 128, 256};
constexpr double kStepOfK = 64;
constexpr double kTensorRows = 64;  // of one tensor-core instruction

// Of an activation.
double row_bytes(ExpertFormat format) {
  return std::min(2.0, bytes_per_element(format.activations));
}

// Weights of an expert, or of the group of a single GEMM.
double matrices(const MoeInput& x) {
  return x.single ? 1 : x.gated ? 3 : 2;
}

double weight_bytes(const MoeInput& x) {
  return matrices(x) * x.hidden * x.inter * bytes_per_element(x.format.weights);
}

// A grouped GEMM with numbers of `width` bytes an activation and `weight_width` a weight.
struct TiledGemm {
  double n, k;
  double width, weight_width;
  bool widened;
  double multiprocessors, rate;
};

// The arithmetic and loads of the best of all tiles, microseconds. Asked for every pair of a rank's
// rows: tiles of so many rows lie side by side, the last of them more than once.
MOESIM_ANY_WIDTH
double best_tiles_us(const GroupRows& g, const TiledGemm& x, const MoeParameters& p) {
  constexpr std::size_t kLanes = 8;
  static constexpr std::array<double, kLanes> kTiles{8, 16, 32, 64, 128, 256, 256, 256};
  static_assert(std::equal(kRowTiles.begin(), kRowTiles.end(), kTiles.begin()));
  std::array<double, kLanes> tiles, load, arithmetic, waves, best;
  for (std::size_t i = 0; i < kLanes; ++i) tiles[i] = g.tiles[std::min(i, kRowTiles.size() - 1)];
  MOESIM_SIDE_BY_SIDE
  for (std::size_t i = 0; i < kLanes; ++i) {
    const double full = g.rows / std::max(1.0, tiles[i]);  // rows in a tile, on average
    load[i] = std::min(full, kTiles[i]) * x.width;
  }
  MOESIM_SIDE_BY_SIDE
  for (std::size_t i = 0; i < kLanes; ++i) {
    // Of a tile below a tensor core's rows; above, its own.
    const double rows = kTensorRows * p.short_rows + (1 - p.short_rows) * kTiles[i];
    arithmetic[i] = 2 * std::max(kTiles[i], std::min(kTensorRows, rows)) / x.rate;
    best[i] = 1e300;
  }
  const double depth = std::ceil(x.k / kStepOfK) * kStepOfK, whole = p.wave_quantisation;
  for (const double columns : kColumnTiles) {
    const double blocks = std::ceil(x.n / columns);
    const double weights = std::min(x.n, columns) * (x.widened ? x.weight_width : x.width);
    const double widen = x.widened ? columns / p.widen_rate : 0;
    const double hidden = widen * (1 - p.widen_added), added = widen * p.widen_added;
    MOESIM_SIDE_BY_SIDE
    for (std::size_t i = 0; i < kLanes; ++i) {
      const double filled = tiles[i] * blocks / x.multiprocessors;
      waves[i] = whole * std::ceil(filled) + (1 - whole) * std::max(1.0, filled);
    }
    MOESIM_SIDE_BY_SIDE
    for (std::size_t i = 0; i < kLanes; ++i) {
      const double loads = (load[i] + weights) / p.load_bytes_us;
      const double step = std::max(std::max(arithmetic[i] * columns, loads), hidden) + added;
      best[i] = std::min(best[i], waves[i] * (p.prologue_us + depth * step));
    }
  }
  return *std::ranges::min_element(best);
}

}  // namespace

MoeInput input_of(const MoeShape& s, ExpertFormat format) {
  return {.tokens = static_cast<double>(s.tokens),
          .hidden = static_cast<double>(s.hidden),
          .inter = static_cast<double>(s.inter),
          .top_k = static_cast<double>(s.top_k),
          .experts = static_cast<double>(s.experts),
          .rows = group_rows(s.rows),
          .format = format,
          .gated = s.gated,
          .routed = s.routed};
}

bool has_whole_buffers(std::string_view implementation) {
  return implementation == "vllm";
}

double grouped_gemm_us(const GroupRows& g, double n, double k, ExpertFormat format, const Rates& r,
                       const MoeParameters& p) {
  if (g.rows <= 0) return 0;
  const double width = row_bytes(format);
  const double weight_width = bytes_per_element(format.weights);
  const double weights = g.active * n * k * weight_width;
  const double bytes = weights + g.rows * (k * width + n * 2);
  const double intensity = 2 * g.rows * n * k / bytes;
  const double rate = sustained_rate(r, p.compute_fraction, p.power_slowdown, intensity);
  const double compute = best_tiles_us(g,
                                       {.n = n,
                                        .k = k,
                                        .width = width,
                                        .weight_width = weight_width,
                                        .widened = format.widened(),
                                        .multiprocessors = r.multiprocessors,
                                        .rate = rate},
                                       p);
  const double memory =
      memory_us(bytes, sustained_bandwidth(r, p.memory_fraction), p.ramp_us, p.ramp_scale_us);
  return compute * std::pow(1 + std::pow(memory / compute, p.overlap_power), 1 / p.overlap_power);
}

std::span<const ParameterField<MoeParameters>> MoeModel::fields() {
  using P = MoeParameters;
  static constexpr std::array<ParameterField<P>, 17> kFields{{
      {"launch_us", &P::launch_us, 15, 1, 400},
      {"per_group_us", &P::per_group_us, 0.02, 0.0005, 2},
      {"per_selection_ns", &P::per_selection_ns, 0.3, 0.005, 20},
      {"compute_fraction", &P::compute_fraction, 0.7, 0.15, 0.99},
      {"power_slowdown", &P::power_slowdown, 0.02, 0.0005, 0.4},
      {"memory_fraction", &P::memory_fraction, 0.93, 0.5, 1},
      {"ramp_us", &P::ramp_us, 2.5, 0.05, 20},
      {"ramp_scale_us", &P::ramp_scale_us, 8, 0.3, 100},
      {"overlap_power", &P::overlap_power, 3, 1.0, 12},
      {"prologue_us", &P::prologue_us, 0.8, 0.02, 10},
      {"load_bytes_us", &P::load_bytes_us, 1.28e5, 5e3, 5e5},
      {"wave_quantisation", &P::wave_quantisation, 0.2, 0.01, 0.999},
      {"stream_fraction", &P::stream_fraction, 0.6, 0.05, 5},
      {"short_rows", &P::short_rows, 0.3, 0.02, 1},
      {"widen_rate", &P::widen_rate, 2e5, 5e3, 5e6, ParameterField<P>::kOptional},
      {"widen_added", &P::widen_added, 0.3, 0.01, 1, ParameterField<P>::kOptional},
      {"remote_fraction", &P::remote_fraction, 0.6, 0.05, 1000, ParameterField<P>::kOptional},
  }};
  return kFields;
}

double MoeModel::us(const MoeInput& x, const Rates& r, const MoeParameters& p) {
  if (x.single) {
    return r.launch + p.per_group_us * x.rows.groups +
           grouped_gemm_us(x.rows, x.inter, x.hidden, x.format, r, p);
  }
  const double width = row_bytes(x.format), up = (x.gated ? 2 : 1) * x.inter;
  double time = p.launch_us + p.per_group_us * x.rows.groups;
  // Rows go out as `width` and come in as 2 bytes: into sorted order and lower precision, through
  // the activation, and back to their tokens with a weighted sum.
  double streamed = x.rows.rows * (up * 2 + x.inter * width);
  if (x.routed) {
    time += p.per_selection_ns * 1e-3 * x.tokens * x.top_k;
    streamed +=
        x.rows.rows * x.hidden * (2 + width + 2) + std::min(x.tokens, x.rows.rows) * x.hidden * 2;
    // Through the activation, and into the sum.
    if (x.whole_buffers)
      time += std::max(0.0, x.tokens * x.top_k - x.rows.rows) *
              (up * 2 + x.inter * width + x.hidden * 2) / (r.bandwidth * p.remote_fraction);
  }
  time += streamed / (r.bandwidth * p.stream_fraction);
  time += grouped_gemm_us(x.rows, up, x.hidden, x.format, r, p);
  time += grouped_gemm_us(x.rows, x.hidden, x.inter, x.format, r, p);
  return time;
}

double MoeModel::least_us(const MoeInput& x, const Rates& r) {
  Work work{.flops = 2 * x.rows.rows * matrices(x) * x.hidden * x.inter,
            .bytes = x.rows.active * weight_bytes(x)};
  if (work.bytes < 2 * r.l2) work.bytes = 0;  // a benchmark's weights may stay in the L2
  return least_us_of(work, r);
}

bool MoeModel::tells(std::string_view parameter, const MoeInput& x) {
  if (parameter == "remote_fraction") return x.whole_buffers && x.routed;
  return x.format.widened() && parameter.starts_with("widen_");
}

std::array<double, 4> MoeModel::features(const MoeInput& x) {
  const double active = std::max(1.0, x.rows.active);
  return {x.rows.rows / active, active, x.inter, std::max(1.0, x.tokens)};
}

// A single GEMM has no choice of experts.
std::array<double, 4> MoeModel::beside(const MoeInput& x) {
  const bool layer = x.experts > 0 && !x.single;
  return {x.hidden, layer ? x.top_k : 0, layer ? x.experts : 0, x.rows.groups};
}

std::vector<std::vector<double>> MoeModel::knots() {
  return {{1, 4, 16, 64, 256, 1024, 8192},
          {1, 8, 64, 512},
          {128, 1024, 8192},
          {1, 32, 256, 2048, 16384}};
}

std::string_view MoeModel::regime(const MoeInput& x, const Rates&) {
  const double rows = x.rows.rows / std::max(1.0, x.rows.active);
  return rows <= 4 ? "few_rows" : rows <= 128 ? "some_rows" : "many_rows";
}

}  // namespace moesim::hardware
