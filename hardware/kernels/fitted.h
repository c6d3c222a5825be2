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
//   kCounted (optional)    features that are counts and never held out: a value between two that
//                          were seen is beyond the fit, too
//   kBeside, beside(shape) -> array<double> (optional)   further axes of the shape that a fit may
//                          have seen little of: what else its times depend on
//   kLeastPoints (optional)   measured rows that a fit of it takes, where its parameters are few
//   kCarried (optional)    its doubt on another device of the generation, where tables of two say
//                          more than kDoubt.carried
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/residual_lookup.h"
#include "hardware/kernels/rising_model.h"
#include "hardware/kernels/seen_range.h"
#include "hardware/trust.h"

namespace moesim::hardware {

struct Estimate {
  double us = 0;
  double low = 1, high = 1;   // true over us: the ends of the 90 % interval
  double p10 = 1, p90 = 1;    // and its 10th and 90th percentile
  std::uint32_t outside = 0;  // bit i: axis i of the model's use lies beyond what the fit has seen
  bool extrapolated = false;  // outside, by a stand-in, or carried over from another generation
};

// What is known of a price, by the model that was chosen for it.
inline Trust trust_of(const Estimate& e, const ModelUse* use) {
  return {
      .p10 = e.p10, .p90 = e.p90, .low = e.low, .high = e.high, .use = use, .outside = e.outside};
}

// What a prediction may be off by beside the errors of the hold-out: 90th percentiles of
// |ln(true / predicted)|, which meet the interval's half-widths as independent errors do.
struct Doubt {
  // On another device of the generation. Fits of H100 tables score on H200 tables with a 90th
  // percentile of 16.4 for 13.7 % on their own hold-out (GEMM), 22.5 for 16.5 and 11.7 for 6.8 %
  // (experts): 9 to 15 % more (public tables of both, aiconfigurator 095f58a5).
  double carried = 0.11;
  // On another generation: 14 to 25 % median, 39 to 79 % at the 90th percentile (the same tables).
  double other_generation = 0.45;
  // Beyond the range that a fit has seen, as a factor on the hold-out's half-widths, the widest of
  // its regimes: hold-outs of whole node counts and widths. Beside it, how far: seen_range.h.
  double extrapolated = 1.6;
};
inline constexpr Doubt kDoubt{};
// Before the name of a counted axis, the interval of a fit of values of it that were held out
// whole: where it has that, it is the interval of a value that the fit has not seen.
inline constexpr std::string_view kUnseen = "unseen_";
// Held out, a group size is this factor from the next that is left, or less. Further out the doubt
// of what lies beyond a range is added.
inline constexpr double kHeldOutFactor = 4;
// From a 95th percentile of an error that is normal in the logarithm to its 90th.
inline constexpr double kDecile = 1.2816 / 1.6449;

// The axes of a model's shapes: the features of its residual table, and others.
template <class M>
std::vector<std::string_view> axis_names() {
  std::vector<std::string_view> names(M::kFeatures.begin(), M::kFeatures.end());
  if constexpr (requires { M::kBeside; })
    names.insert(names.end(), M::kBeside.begin(), M::kBeside.end());
  return names;
}
// A shape's place on them.
template <class M>
auto axes_of(const typename M::Shape& shape) {
  const auto features = M::features(shape);
  if constexpr (requires { M::kBeside; }) {
    const auto beside = M::beside(shape);
    std::array<double, features.size() + beside.size()> axes;
    std::ranges::copy(beside, std::ranges::copy(features, axes.begin()).out);
    return axes;
  } else {
    return features;
  }
}

template <class M>
class Fitted {
  struct Nothing {};

 public:
  using Model = M;
  // Throws ConfigError where a parameter is missing or out of its physical range.
  // `doubt`: where it was fitted for another implementation than the one that is asked for, how far
  // that one may be off (choose_fitted.h); else zero.
  explicit Fitted(FittedModel model, double doubt = 0)
      : parameters_(parameters_of<typename M::Parameters>(model, M::fields())),
        model_(std::move(model)),
        residual_(model_.residual),
        stand_in_(doubt > 0),
        doubt_(doubt) {
    check_residual_axes(model_, std::span(M::kFeatures).first(M::knots().size()));
    for (const std::string_view axis : axis_names<M>()) ranges_.emplace_back(model_, axis);
    unseen_.resize(ranges_.size());
    for (const auto& [regime, interval] : model_.interval) {
      if (is_unseen(regime)) continue;
      widest_.p05 = std::min(widest_.p05, interval.p05);
      widest_.p10 = std::min(widest_.p10, interval.p10);
      widest_.p90 = std::max(widest_.p90, interval.p90);
      widest_.p95 = std::max(widest_.p95, interval.p95);
    }
    if (model_.other_generation)
      doubt_ = std::hypot(doubt_, kDoubt.other_generation);
    else if (!model_.carried_from.empty())
      doubt_ = std::hypot(doubt_, carried());
    std::size_t axis = 0;
    for (const std::string_view name : axis_names<M>()) {
      const auto held = model_.interval.find(std::string(kUnseen) + std::string(name));
      if (held != model_.interval.end()) unseen_[axis] = wider(held->second, widest_);
      ++axis;
    }
    for (const auto& [regime, interval] : model_.interval)
      if (!is_unseen(regime)) within_.emplace_back(regime, ends_of(interval, doubt_));
    const auto all = model_.interval.find("");
    of_others_ = ends_of(all == model_.interval.end() ? widest_ : all->second, doubt_);
  }

  const FittedModel& model() const { return model_; }
  const typename M::Parameters& parameters() const { return parameters_; }

  // What is told of it where `asked` ("vllm bf16") was wanted. Its axes are axis_names<M>().
  ModelUse use(std::string kind, std::string asked) const {
    ModelUse use = use_of(model_, std::move(kind), std::move(asked));
    std::size_t i = 0;
    for (const std::string_view axis : axis_names<M>()) {
      const SeenRange& range = ranges_[i++];
      use.axes.push_back({.name = std::string(axis),
                          .least = range.least(),
                          .most = range.most(),
                          .counted = range.counted()});
    }
    return use;
  }

  // Microseconds: the formula with what it leaves over, above what physics allows.
  double us(const typename M::Shape& shape, const Rates& rates) const {
    if constexpr (Rises<M>) {
      const double us = std::max(
          rising_.us(
              shape, rates, [this](const auto& s, const Rates& r) { return fitted_us(s, r); },
              [this](const auto& s, const Rates& r) { return M::us(s, r, parameters_); }),
          M::least_us(shape, rates));
      if constexpr (requires { M::with_fewer_queries(shape); }) {
        if (const auto fewer = M::with_fewer_queries(shape))
          return std::max(us, this->us(*fewer, rates));
      }
      return us;
    } else {
      return std::max(fitted_us(shape, rates), M::least_us(shape, rates));
    }
  }

  Estimate estimate(const typename M::Shape& shape, const Rates& rates) const {
    return estimate(shape, rates, us(shape, rates));
  }
  // With its time, where that is known.
  Estimate estimate(const typename M::Shape& shape, const Rates& rates, double us) const {
    Estimate e{.us = us};
    const auto axes = axes_of<M>(shape);
    double doubt = doubt_;
    Interval held;  // of what was held out whole
    bool beyond = false;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (!ranges_[i].is_outside(axes[i])) continue;
      e.outside |= std::uint32_t{1} << i;
      doubt = std::hypot(doubt, ranges_[i].doubt(axes[i], unseen_[i] ? kHeldOutFactor : 1));
      if (unseen_[i])
        held = wider(held, *unseen_[i]);
      else
        beyond = true;
    }
    if (beyond) held = wider(held, raised(widest_, kDoubt.extrapolated));
    const Interval ends = e.outside != 0 ? ends_of(held, doubt) : within(M::regime(shape, rates));
    e.low = ends.p05;
    e.p10 = ends.p10;
    e.p90 = ends.p90;
    e.high = ends.p95;
    e.extrapolated = e.outside != 0 || stand_in_ || model_.other_generation;
    return e;
  }

 private:
  double fitted_us(const typename M::Shape& shape, const Rates& rates) const {
    const double us = M::us(shape, rates, parameters_);
    // A library's choice of kernels does not carry over to another architecture.
    return model_.other_generation ? us : us * std::exp(residual_.at(M::features(shape)));
  }
  const Interval& within(std::string_view regime) const {
    for (const auto& [name, ends] : within_)
      if (name == regime) return ends;
    return of_others_;
  }
  static bool is_unseen(std::string_view regime) { return regime.starts_with(kUnseen); }
  static Interval wider(const Interval& a, const Interval& b) {
    return {.p05 = std::min(a.p05, b.p05),
            .p10 = std::min(a.p10, b.p10),
            .p90 = std::max(a.p90, b.p90),
            .p95 = std::max(a.p95, b.p95)};
  }
  static Interval raised(const Interval& i, double times) {
    return {.p05 = std::pow(i.p05, times),
            .p10 = std::pow(i.p10, times),
            .p90 = std::pow(i.p90, times),
            .p95 = std::pow(i.p95, times)};
  }
  // Of a hold-out's, with what else is in doubt.
  static Interval ends_of(const Interval& i, double doubt) {
    const auto wide = [](double ratio, double d) { return std::hypot(std::log(ratio), d); };
    return {.p05 = std::exp(-wide(i.p05, doubt)),
            .p10 = std::exp(-wide(i.p10, kDecile * doubt)),
            .p90 = std::exp(wide(i.p90, kDecile * doubt)),
            .p95 = std::exp(wide(i.p95, doubt))};
  }
  static constexpr double carried() {
    if constexpr (requires { M::kCarried; })
      return M::kCarried;
    else
      return kDoubt.carried;
  }

  typename M::Parameters parameters_;
  FittedModel model_;
  ResidualLookup residual_;
  std::vector<SeenRange> ranges_;                // of the axes
  Interval widest_;                              // of all regimes
  std::vector<std::optional<Interval>> unseen_;  // of the axes: where values were held out whole
  // Where a fit has seen a shape's like: by regime, as prices are asked for by thousands.
  std::vector<std::pair<std::string, Interval>> within_;
  Interval of_others_;
  [[no_unique_address]] std::conditional_t<Rises<M>, RisingModel<M>, Nothing> rising_;
  bool stand_in_;
  double doubt_;
};

}  // namespace moesim::hardware
