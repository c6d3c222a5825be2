#include "hardware/kernels/moe_layer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace moesim::hardware {
namespace {

constexpr double kMostLoaded = 1.5;  // rows of a GPU, as a multiple of its part of them

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

}  // namespace

MoeLayer::MoeLayer(const MoeParameters& parameters, const ResidualTable& table,
                   const MoeInput& like, const Rates& rates)
    : MoeLayer(parameters, slice(table, MoeModel::kInter, like.inter), rates) {}

MoeLayer::MoeLayer(const MoeParameters& parameters, const ResidualTable& at_width,
                   const Rates& rates)
    : parameters_(parameters), rates_(rates), residual_(at_width), ceilings_(at_width) {}

std::array<double, 3> MoeLayer::features(const Earlier& one) {
  const double active = std::max(1.0, one.active);
  return {one.rows / active, active, std::max(1.0, one.tokens)};
}

double MoeLayer::us(const MoeInput& x) const {
  const double least = MoeModel::least_us(x, rates_);
  const double now = MoeModel::us(x, rates_, parameters_);
  if (residual_.empty()) return std::max(now, least);
  const double left =
      residual_.at(features({.tokens = x.tokens, .rows = x.rows.rows, .active = x.rows.active}));
  double us = std::max(now * std::exp(left), least);
  const Smaller smaller = this->smaller(x, left);
  for (const Earlier& one : std::span(smaller.at).first(smaller.count)) {
    const double then = residual_.at(features(one));
    if (then <= left) continue;
    MoeInput earlier = x;
    earlier.tokens = one.tokens;
    earlier.rows = thinned(x.rows, one.share);
    us = std::max(us, MoeModel::us(earlier, rates_, parameters_) * std::exp(then));
  }
  return us;
}

MoeLayer::Smaller MoeLayer::smaller(const MoeInput& x, double left) const {
  Smaller smaller;
  const auto place =
      ceilings_.place(features({.tokens = x.tokens, .rows = x.rows.rows, .active = x.rows.active}));
  const auto add = [&](const Earlier& earlier) {
    if (smaller.count < smaller.at.size()) smaller.at[smaller.count++] = earlier;
  };
  const auto grown_to = [&](double share) {
    if (!(share * x.rows.rows >= 1)) return;
    add({.tokens = share * x.tokens,
         .share = share,
         .rows = std::min(share, 1.0) * x.rows.rows,
         .active = thinned_active(x.rows, share)});
  };
  // Calls with each knot below `end` at which the table may say more.
  const auto at_knots = [&](Axis axis, double end, const auto& look) {
    const std::vector<double>& knots = ceilings_.knots(axis);
    for (std::size_t i = 0; i < knots.size() && knots[i] < end; ++i)
      if (ceilings_.at(axis, i, place) > left) look(knots[i]);
  };
  const double full = x.rows.rows / std::max(1.0, x.rows.active);
  const bool even = x.rows.most < full + 1;  // and was so on its way (thinned)
  at_knots(kRowsPerGroup, full, [&](double knot) {
    grown_to(even ? knot / full : share_at_rows(knot, full, x.rows.active));
  });
  at_knots(kActive, x.rows.active, [&](double knot) {
    grown_to(even ? knot / x.rows.rows : 1 - std::pow(1 - knot / x.rows.active, 1 / full));
  });
  // As many tokens give these rows where a GPU has so many times its part of them.
  const double least_tokens =
      x.experts > 0 ? x.rows.rows * x.experts / (kMostLoaded * x.top_k * x.rows.groups) : x.tokens;
  at_knots(kTokens, x.tokens, [&](double knot) {
    grown_to(knot / x.tokens);
    if (knot >= least_tokens) add({.tokens = knot, .rows = x.rows.rows, .active = x.rows.active});
  });
  return smaller;
}

template <>
double Fitted<MoeModel>::us(const MoeInput& x, const Rates& rates) const {
  return layer_of(*this, x, rates).us(x);
}

MoeLayer layer_of(const Fitted<MoeModel>& fitted, const MoeInput& like, const Rates& rates) {
  // A library's choice of kernels does not carry over to another architecture.
  const FittedModel& model = fitted.model();
  return {fitted.parameters(), model.other_generation ? ResidualTable{} : model.residual, like,
          rates};
}

}  // namespace moesim::hardware
