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

constexpr double kMostLoaded = 1.5;  // rows of a GPU, as a multiple of its part of them

// Of an activation.
double row_bytes(ExpertFormat format) {
  return std::min(2.0, bytes_per_element(format.activations));
}

// Weights of an expert, or of the group of a single GEMM.
double matrices(const MoeInput& x) {
  return x.single ? 1 : x.gated ? 3 : 2;
}

// The part of its tokens at which a layer's groups that have rows had `size` of them on average:
// share x full rows among 1 - (1 - share)^full of the groups, and in one group at least (thinned).
// Each pass comes nearer.
double share_at_rows(double size, double full, double active) {
  double share = size / full;
  for (int pass = 0; pass < 4; ++pass) {
    const double next = size / full * std::max(chance_of_any(share, full), 1 / active);
    if (next == share) break;
    share = next;
  }
  return share;
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
// rows: the machine's own rounding to whole numbers is worth a version of its own.
MOESIM_ANY_WIDTH
double best_tiles_us(const GroupRows& g, const TiledGemm& x, const MoeParameters& p) {
  const double depth = std::ceil(x.k / kStepOfK) * kStepOfK;
  double best = 1e300;
  for (std::size_t i = 0; i < kRowTiles.size(); ++i) {
    const double tile = kRowTiles[i];
    const double full = g.rows / std::max(1.0, g.tiles[i]);  // rows in a tile, on average
    const double rows = tile < kTensorRows
                            ? kTensorRows * (p.short_rows + (1 - p.short_rows) * tile / kTensorRows)
                            : tile;
    for (const double columns : kColumnTiles) {
      const double filled = g.tiles[i] * std::ceil(x.n / columns) / x.multiprocessors;
      const double waves = p.wave_quantisation * std::ceil(filled) +
                           (1 - p.wave_quantisation) * std::max(1.0, filled);
      const double load = std::min(full, tile) * x.width +
                          std::min(x.n, columns) * (x.widened ? x.weight_width : x.width);
      const double widen = x.widened ? columns / p.widen_rate : 0;
      const double step = std::max(std::max(2 * rows * columns / x.rate, load / p.load_bytes_us),
                                   widen * (1 - p.widen_added)) +
                          widen * p.widen_added;
      best = std::min(best, waves * (p.prologue_us + depth * step));
    }
  }
  return best;
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
  return features(x, {.tokens = x.tokens, .rows = x.rows.rows, .active = x.rows.active});
}

std::array<double, 4> MoeModel::features(const MoeInput& x, const Earlier& earlier) {
  const double active = std::max(1.0, earlier.active);
  return {earlier.rows / active, active, x.inter, std::max(1.0, earlier.tokens)};
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

MoeCeilings::MoeCeilings(const ResidualTable& table) {
  // One with other axes is refused by whoever holds it (check_residual_axes).
  if (table.values.empty() || table.axes.size() != knots_.size()) return;
  std::size_t stride = table.values.size();
  for (std::size_t axis = 0; axis < knots_.size(); ++axis) {
    knots_[axis] = table.axes[axis].second;
    strides_[axis] = stride /= knots_[axis].size();
  }
  // Of each axis: what is at a knot of it, the most of all with no more on the others.
  for (std::size_t axis = 0; axis < knots_.size(); ++axis) {
    std::vector<double>& most = most_[axis] = table.values;
    for (std::size_t other = 0; other < knots_.size(); ++other) {
      if (other == axis || other == MoeModel::kInter) continue;
      for (std::size_t i = 0; i < most.size(); ++i)
        if (i / strides_[other] % knots_[other].size() > 0)
          most[i] = std::max(most[i], most[i - strides_[other]]);
    }
  }
}

MoeCeilings::Place MoeCeilings::place(const std::array<double, 4>& features) const {
  Place place;
  for (std::size_t axis = 0; axis < knots_.size(); ++axis) {
    const std::vector<double>& knots = knots_[axis];
    std::size_t above = 0;
    while (above + 1 < knots.size() && knots[above] < features[axis]) ++above;
    place.above[axis] = above;
    place.below[axis] = above > 0 && features[axis] < knots[above] ? above - 1 : above;
  }
  return place;
}

double MoeCeilings::at(std::size_t axis, std::size_t knot, Place place) const {
  place.above[axis] = knot;
  std::size_t at = 0;
  for (std::size_t other = 0; other < knots_.size(); ++other)
    if (other != MoeModel::kInter) at += place.above[other] * strides_[other];
  const std::size_t width = strides_[MoeModel::kInter];
  return std::max(most_[axis][at + place.below[MoeModel::kInter] * width],
                  most_[axis][at + place.above[MoeModel::kInter] * width]);
}

MoeModel::Smaller MoeModel::smaller(const MoeInput& x, const ResidualTable& table,
                                    const MoeCeilings& ceilings, double left) {
  Smaller smaller;
  const MoeCeilings::Place place = ceilings.place(features(x));
  const auto add = [&](const Earlier& earlier) {
    if (smaller.count < smaller.at.size()) smaller.at[smaller.count++] = earlier;
  };
  const double full = x.rows.rows / std::max(1.0, x.rows.active);
  const bool even = x.rows.most < full + 1;  // and was so on its way (thinned)
  const auto grown_to = [&](double share) {
    if (!(share * x.rows.rows >= 1)) return;
    add({.tokens = share * x.tokens,
         .share = share,
         .rows = std::min(share, 1.0) * x.rows.rows,
         .active = thinned_active(x.rows, share)});
  };
  // As many tokens give these rows where a GPU has so many times its part of them.
  const double least_tokens =
      x.experts > 0 ? x.rows.rows * x.experts / (kMostLoaded * x.top_k * x.rows.groups) : x.tokens;
  for (std::size_t axis = 0; axis < table.axes.size(); ++axis) {
    const std::vector<double>& knots = table.axes[axis].second;
    for (std::size_t i = 0; i < knots.size(); ++i) {
      const double knot = knots[i];
      if (ceilings.at(axis, i, place) <= left) continue;
      if (axis == kRowsPerGroup && knot < full)
        grown_to(even ? knot / full : share_at_rows(knot, full, x.rows.active));
      if (axis == kActive && knot < x.rows.active)
        grown_to(even ? knot / x.rows.rows : 1 - std::pow(1 - knot / x.rows.active, 1 / full));
      if (axis == kTokens && knot < x.tokens) {
        grown_to(knot / x.tokens);
        if (knot >= least_tokens)
          add({.tokens = knot, .rows = x.rows.rows, .active = x.rows.active});
      }
    }
  }
  return smaller;
}

template <>
double Fitted<MoeModel>::us(const MoeInput& x, const Rates& rates) const {
  const double least = MoeModel::least_us(x, rates);
  if (model_.other_generation || residual_.empty()) return std::max(fitted_us(x, rates), least);
  const double left = residual_.at(MoeModel::features(x));
  double us = std::max(MoeModel::us(x, rates, parameters_) * std::exp(left), least);
  const MoeModel::Smaller smaller = MoeModel::smaller(x, model_.residual, of_table_, left);
  for (const MoeModel::Earlier& one : std::span(smaller.at).first(smaller.count)) {
    const double then = residual_.at(MoeModel::features(x, one));
    if (then <= left) continue;
    MoeInput earlier = x;
    earlier.tokens = one.tokens;
    earlier.rows = thinned(x.rows, one.share);
    us = std::max(us, MoeModel::us(earlier, rates, parameters_) * std::exp(then));
  }
  return us;
}

}  // namespace moesim::hardware
