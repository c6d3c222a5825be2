#include "hardware/kernels/routing.h"

#include <algorithm>
#include <cmath>

#include "hardware/kernels/roofline.h"

namespace moesim::hardware {
namespace {

constexpr double kWarp = 32;

double real(std::int64_t n) {
  return static_cast<double>(n);
}

// Bytes read and written, a token's row as often as it is copied; of each token's row once.
struct Moved {
  double all, once;
};
Moved moved(const RowsShape& s) {
  const double rows = real(s.rows) * s.row_bytes, tokens = real(s.tokens) * s.row_bytes;
  // Out: a read and a write for each row. Back: each row read once, and each token's written.
  if (s.back) return {rows + tokens, rows + tokens};
  return {2 * rows, rows + std::min(rows, tokens)};
}

// What lies in the L2 may never see the memory.
double least_of(double bytes, const Rates& r) {
  return bytes < 2 * r.l2 ? 0 : least_us_of({.flops = 0, .bytes = bytes}, r);
}

}  // namespace

std::span<const ParameterField<RouterParameters>> RouterModel::fields() {
  using P = RouterParameters;
  static constexpr std::array<ParameterField<P>, 4> kFields{{
      {"launch_us", &P::launch_us, 2, 0.3, 40},
      {"choice_us", &P::choice_us, 0.1, 0.002, 5},
      {"round_ns", &P::round_ns, 20, 0.1, 2000},
      {"memory_fraction", &P::memory_fraction, 0.8, 0.05, 5},
  }};
  return kFields;
}

double RouterModel::us(const RouterShape& s, const Rates& r, const RouterParameters& p) {
  const double rounds = std::ceil(real(s.experts) / kWarp) * (1 + real(s.top_k));
  return p.launch_us + p.choice_us * real(s.top_k) +
         real(s.tokens) * rounds * p.round_ns * 1e-3 / r.multiprocessors +
         work_of(s).bytes / (r.bandwidth * p.memory_fraction);
}

double RouterModel::least_us(const RouterShape& s, const Rates& r) {
  return least_of(work_of(s).bytes, r);
}

std::array<double, 3> RouterModel::features(const RouterShape& s) {
  return {real(s.tokens), real(s.experts), real(s.top_k)};
}

std::vector<std::vector<double>> RouterModel::knots() {
  return {{1, 64, 1024, 16384}};
}

std::string_view RouterModel::regime(const RouterShape& s, const Rates&) {
  return s.tokens <= 256 ? "few_tokens" : "many_tokens";
}

std::span<const ParameterField<PermuteParameters>> PermuteModel::fields() {
  using P = PermuteParameters;
  static constexpr std::array<ParameterField<P>, 5> kFields{{
      {"launch_us", &P::launch_us, 2, 0.3, 40},
      {"memory_fraction", &P::memory_fraction, 0.8, 0.1, 1},
      {"l2_gain", &P::l2_gain, 0.5, 0.01, 6},
      {"repeated", &P::repeated, 0.5, 0.02, 1.2},
      {"added_us", &P::added_us, 0.1, 0.002, 5},
  }};
  return kFields;
}

double PermuteModel::us(const RowsShape& s, const Rates& r, const PermuteParameters& p) {
  const auto [all, once] = moved(s);
  const double share = all / r.l2;
  const double gain = 1 + p.l2_gain / (1 + share * share);
  const double added = s.back ? real(s.rows) / std::max(1.0, real(s.tokens)) : 0;
  return p.launch_us + p.added_us * added +
         (once + p.repeated * (all - once)) / (r.bandwidth * p.memory_fraction * gain);
}

double PermuteModel::least_us(const RowsShape& s, const Rates& r) {
  return least_of(moved(s).once, r);
}

std::array<double, 3> PermuteModel::features(const RowsShape& s) {
  return {real(s.tokens), real(s.rows) / std::max(1.0, real(s.tokens)), s.row_bytes};
}

std::vector<std::vector<double>> PermuteModel::knots() {
  return {{1, 64, 1024, 16384}};
}

std::string_view PermuteModel::regime(const RowsShape& s, const Rates& r) {
  return moved(s).all < r.l2 ? "in_l2" : "beyond_l2";
}

}  // namespace moesim::hardware
