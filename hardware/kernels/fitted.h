// A cost model with the parameters that were fitted for it: the one way in which the simulator, the
// fitter and the tables' predictions come to a time.
//
// A model M is a struct of static functions, so that they are pure and can be tested alone:
//   Shape, Parameters                            what it is asked, what was fitted
//   fields() -> span<const ParameterField<Parameters>>
//   us(shape, rates, parameters) -> double       the formula, in microseconds
//   least_us(shape, rates) -> double             what physics allows
//   kFeatures, features(shape) -> array<double>  the axes of its residual table, above zero or zero
//   knots() -> vector<vector<double>>            of that table: of the first features, or none
//   regime(shape, rates) -> string_view          what its intervals are fitted apart for
//   kCounted (optional)                          features that are counts and never held out: a
//   value
//                                                between two that were seen is beyond the fit, too
//   kCarried (optional)                          its doubt on another device of the generation,
//   where
//                                                tables of two say more than kDoubt.carried
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/residual.h"

namespace moesim::hardware {

struct Estimate {
  double us = 0;
  double low = 1, high = 1;   // true over us: the ends of the 90 % interval
  double p10 = 1, p90 = 1;    // and its 10th and 90th percentile
  bool extrapolated = false;  // outside what the fit has seen, or carried over to another device
};

// What a prediction may be off by beside the errors of the hold-out: 90th percentiles of
// |ln(true / predicted)|, which meet the interval's half-widths as independent errors do.
struct Doubt {
  // On another device of the generation. Fits of H100 tables score on H200 tables with a 90th
  // percentile of 16.4 for 13.7 % on their own hold-out (GEMM), 22.5 for 16.5 and 11.7 for 6.8 %
  // (experts): 9 to 15 % more (public tables of both, aiconfigurator 095f58a5).
  double carried = 0.11;
  // On another generation: 14 to 25 % median, 39 to 79 % at the 90th percentile (the same tables).
  double other_generation = 0.45;
  // Beyond the range that a fit has seen, as a factor on the hold-out's half-widths: hold-outs of
  // whole node counts and widths.
  double extrapolated = 1.6;
};
inline constexpr Doubt kDoubt{};
// From a 95th percentile of an error that is normal in the logarithm to its 90th.
inline constexpr double kDecile = 1.2816 / 1.6449;

template <class M>
class Fitted {
 public:
  using Model = M;
  // Throws ConfigError where a parameter is missing or out of its physical range.
  // `doubt`: where it was fitted for another implementation than the one that is asked for, how far
  // that one may be off (choose_fitted.h); else zero.
  explicit Fitted(FittedModel model, double doubt = 0)
      : parameters_(parameters_of<typename M::Parameters>(model, M::fields())),
        model_(std::move(model)),
        stand_in_(doubt > 0),
        doubt_(doubt) {
    check_residual_axes(model_, std::span(M::kFeatures).first(M::knots().size()));
    if (model_.other_generation)
      doubt_ = std::hypot(doubt_, kDoubt.other_generation);
    else if (!model_.carried_from.empty())
      doubt_ = std::hypot(doubt_, carried());
  }

  const FittedModel& model() const { return model_; }
  const typename M::Parameters& parameters() const { return parameters_; }

  Estimate estimate(const typename M::Shape& shape, const Rates& rates) const {
    const auto features = M::features(shape);
    Estimate e;
    e.us = M::us(shape, rates, parameters_);
    // A library's choice of kernels does not carry over to another architecture.
    if (!model_.other_generation) e.us *= std::exp(residual_at(model_.residual, features));
    e.us = std::max(e.us, M::least_us(shape, rates));
    for (std::size_t i = 0; i < features.size(); ++i) {
      const auto seen = model_.valid.find(std::string(M::kFeatures[i]));
      if (seen != model_.valid.end() && (features[i] < seen->second.first * (1 - 1e-9) ||
                                         features[i] > seen->second.second * (1 + 1e-9)))
        e.extrapolated = true;
      const auto counted = model_.seen.find(std::string(M::kFeatures[i]));
      if (counted != model_.seen.end() &&
          std::ranges::find(counted->second, features[i]) == counted->second.end())
        e.extrapolated = true;
    }
    auto interval = model_.interval.find(std::string(M::regime(shape, rates)));
    if (interval == model_.interval.end()) interval = model_.interval.find("");
    if (interval != model_.interval.end()) {
      const double times = e.extrapolated ? kDoubt.extrapolated : 1;
      const auto wider = [times](double ratio, double doubt) {
        return std::hypot(times * std::log(ratio), doubt);
      };
      const Interval& i = interval->second;
      e.low = std::exp(-wider(i.p05, doubt_));
      e.high = std::exp(wider(i.p95, doubt_));
      e.p10 = std::exp(-wider(i.p10, kDecile * doubt_));
      e.p90 = std::exp(wider(i.p90, kDecile * doubt_));
    }
    e.extrapolated = e.extrapolated || stand_in_ || model_.other_generation;
    return e;
  }

 private:
  static constexpr double carried() {
    if constexpr (requires { M::kCarried; })
      return M::kCarried;
    else
      return kDoubt.carried;
  }

  typename M::Parameters parameters_;
  FittedModel model_;
  bool stand_in_;
  double doubt_;
};

}  // namespace moesim::hardware
