#include "hardware/kernels/seen_range.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace moesim::hardware {
namespace {

// Doubt at a factor of e beyond what was seen; it grows as the root of the logarithm. Public H100
// tables fitted below an edge and judged beyond it, the errors of the hold-out taken out in
// quadrature, at two and at 16 times the edge: keys of decode 0.07 and 0.14, tokens of a prompt
// 0.04 and 0.14, query heads of a kv head 0 and 0.17, n and k of a GEMM 0 to 0.1, rows 0.14, tokens
// of experts 0.03 and 0.39, hidden 0.1, experts 0.1.
constexpr double kPerRoot = 0.15;
// Of an input that never varied: heads of 128 from those of 64 alone, 0.17 (decode) and 0.27.
constexpr double kPerRootOfOne = 0.3;
constexpr double kRounding = 1e-9;

// Inputs are counts: what is below one is as good as one.
double ln(double count) {
  return std::log(std::max(1.0, count));
}

}  // namespace

SeenRange::SeenRange(const FittedModel& model, std::string_view axis) {
  if (const auto valid = model.valid.find(std::string(axis)); valid != model.valid.end()) {
    known_ = true;
    least_ = valid->second.first;
    most_ = valid->second.second;
  }
  if (const auto seen = model.seen.find(std::string(axis)); seen != model.seen.end())
    counted_ = seen->second;
}

bool SeenRange::is_outside(double value) const {
  if (value == 0) return false;
  if (!known_ || value < least_ * (1 - kRounding) || value > most_ * (1 + kRounding)) return true;
  return !counted_.empty() && std::ranges::find(counted_, value) == counted_.end();
}

double SeenRange::doubt(double value, double known) const {
  // Nothing was seen of it: as if it lay a factor of e beyond a single value.
  if (most_ == 0) return kPerRootOfOne;
  double beyond = std::max({0.0, ln(value) - ln(most_), ln(least_) - ln(value)});
  // Of a count, the way to the nearest that was seen, also between two of them: group sizes of NCCL
  // and of the engines' all-reduce that were left out of a fit are off by 9 to 23 % at its edge or
  // within (public tables of H100, A100 and B200), 2 to 5 % where only sizes of messages were.
  if (beyond == 0 && !counted_.empty()) {
    beyond = std::abs(ln(value) - ln(counted_.front()));
    for (const double seen : counted_) beyond = std::min(beyond, std::abs(ln(value) - ln(seen)));
  }
  beyond = std::max(0.0, beyond - std::log(known));
  return (least_ == most_ ? kPerRootOfOne : kPerRoot) * std::sqrt(beyond);
}

}  // namespace moesim::hardware
