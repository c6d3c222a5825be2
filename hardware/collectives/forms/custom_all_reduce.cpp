#include "hardware/collectives/forms/custom_all_reduce.h"

#include <algorithm>

namespace moesim::hardware {
namespace {

Parts branch(const AllReduceShape& s, const Rates& r, const CustomAllReduceParameters& p,
             AllReduceBranch which) {
  const double others = s.ranks - 1, halves = 2 * others / s.ranks * s.bytes;
  switch (which) {
    case AllReduceBranch::OneShot:
      return {.fixed_us = p.one_us + p.one_rank_us * others,
              .near_us = us_of(others * s.bytes, r.link * p.one_efficiency)};
    case AllReduceBranch::TwoShot:
      return {.fixed_us = p.two_us + p.two_rank_us * others,
              .near_us = us_of(halves, r.link * p.two_efficiency)};
    default:
      break;
  }
  const double kept = 1 - std::min(0.9, p.library_loss / s.ranks);
  return {.fixed_us = p.library_us, .near_us = us_of(halves, r.link * p.library_efficiency * kept)};
}

}  // namespace

std::span<const ParameterField<CustomAllReduceParameters>> CustomAllReduceModel::fields() {
  using P = CustomAllReduceParameters;
  static constexpr std::array<ParameterField<P>, 9> kFields{{
      {"one_us", &P::one_us, 2.5, 0.5, 100},
      {"one_rank_us", &P::one_rank_us, 0.1, 0.001, 10},
      {"one_efficiency", &P::one_efficiency, 0.5, 0.02, 1},
      {"two_us", &P::two_us, 4, 0.5, 200},
      {"two_rank_us", &P::two_rank_us, 0.2, 0.001, 10},
      {"two_efficiency", &P::two_efficiency, 0.6, 0.02, 1},
      {"library_us", &P::library_us, 15, 1, 200},
      {"library_efficiency", &P::library_efficiency, 0.9, 0.1, 1.2},
      {"library_loss", &P::library_loss, 0.5, 0.001, 1.5},
  }};
  return kFields;
}

CustomAllReduceParameters CustomAllReduceModel::defaults(std::string_view) {
  return {};
}

AllReduceBranch CustomAllReduceModel::quickest(const AllReduceShape& s, const Rates& r,
                                               const Parameters& p) {
  AllReduceBranch best = AllReduceBranch::OneShot;
  for (const AllReduceBranch other : {AllReduceBranch::TwoShot, AllReduceBranch::Library})
    if (branch(s, r, p, other).us() < branch(s, r, p, best).us()) best = other;
  return best;
}

Parts CustomAllReduceModel::parts(const AllReduceShape& s, const Rates& r, const Parameters& p) {
  return branch(s, r, p, s.branch == AllReduceBranch::Quickest ? quickest(s, r, p) : s.branch);
}

double CustomAllReduceModel::least_us(const AllReduceShape& s, const Rates& r) {
  return s.bytes * (s.ranks - 1) / s.ranks / r.link;  // with sums in the switch
}

std::array<double, 2> CustomAllReduceModel::features(const AllReduceShape& s) {
  return {std::max(1.0, s.bytes), s.ranks};
}

std::vector<std::vector<double>> CustomAllReduceModel::knots() {
  return {{256, 65536, 524288, 2097152, 8388608, 67108864, 1073741824}, {2, 4, 8}};
}

std::string_view CustomAllReduceModel::regime(const AllReduceShape& s, const Rates&) {
  return s.bytes <= 65536 ? "small" : s.bytes <= 4194304 ? "medium" : "large";
}

}  // namespace moesim::hardware
