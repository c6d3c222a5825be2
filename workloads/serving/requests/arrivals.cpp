#include "workloads/serving/requests/arrivals.h"

#include <cmath>

namespace moesim::workloads::serving {
namespace {

double draw_gamma(double shape, sim::Random& random) {
  if (shape < 1) {
    const double u = 1 - random.uniform();
    return draw_gamma(shape + 1, random) * std::pow(u, 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double cube = 1 + c * x;
    if (cube <= 0) continue;
    const double v = cube * cube * cube;
    if (std::log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

// When the integral of a rate that goes from a to b (per second) in `time` seconds reaches `area`.
double time_of(double area, double from, double to, double time) {
  const double slope = std::isinf(time) ? 0 : (to - from) / time;
  if (slope == 0) return area / from;
  // from t + slope t^2 / 2 = area, in the form that keeps its digits.
  return 2 * area / (from + std::sqrt(std::max(0.0, from * from + 2 * slope * area)));
}

double seconds(sim::Duration time) {
  return time == sim::kForever ? INFINITY : sim::to_seconds(time);
}

}  // namespace

double draw_gap(ArrivalLaw law, double shape, sim::Random& random) {
  switch (law) {
    case ArrivalLaw::Constant:
      return 1;
    case ArrivalLaw::Poisson:
      return random.exponential(1);
    case ArrivalLaw::Gamma:
      return draw_gamma(shape, random) / shape;
    case ArrivalLaw::Weibull:
      return std::pow(-std::log(1 - random.uniform()), 1 / shape) / std::tgamma(1 + 1 / shape);
    case ArrivalLaw::AtOnce:
    case ArrivalLaw::Closed:
      break;
  }
  return 0;
}

ArrivalTimes::ArrivalTimes(const Arrivals& arrivals, std::optional<std::int64_t> count,
                           std::uint64_t seed)
    : arrivals_(arrivals), random_(seed, "serving/arrivals") {
  const bool steady = arrivals.stages.size() == 1 && arrivals.stages[0].time == sim::kForever;
  if (!count || !steady || !arrivals.has_rate()) return;
  sim::Random ahead(seed, "serving/arrivals");
  double sum = 0;
  for (std::int64_t i = 0; i < *count; ++i) sum += draw_gap(arrivals.law, arrivals.shape, ahead);
  if (sum > 0) stretch_ = static_cast<double>(*count) / sum;
}

std::optional<sim::Time> ArrivalTimes::next() {
  if (!arrivals_.has_rate()) return sim::Time{};
  sum_ += draw_gap(arrivals_.law, arrivals_.shape, random_) * stretch_;
  for (; stage_ < arrivals_.stages.size(); ++stage_) {
    const RateStage& stage = arrivals_.stages[stage_];
    const double time = seconds(stage.time);
    const double area = std::isinf(time) ? INFINITY : (stage.from + stage.to) / 2 * time;
    if (sum_ - before_ <= area) {
      const double at = stage_begins_ + time_of(sum_ - before_, stage.from, stage.to, time);
      return sim::Time(sim::Duration(std::llround(at * 1e12)));
    }
    before_ += area;
    stage_begins_ += time;
  }
  return {};
}

}  // namespace moesim::workloads::serving
