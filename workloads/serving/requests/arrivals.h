// When requests come.
//
// A law draws gaps of mean 1, which are laid along the integral of the rate: request i comes at the
// time at which the integral reaches the sum of gaps 1 to i. With a constant rate and a count the
// sequence is stretched so that the last comes at count / rate, as `vllm bench serve` does.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/random.h"
#include "sim/units.h"

namespace moesim::workloads::serving {

// closed: all at once, and the client's concurrency holds them back; with `think` after each
// answer.
enum class ArrivalLaw { Constant, Poisson, Gamma, Weibull, AtOnce, Closed };
inline constexpr std::array<std::string_view, 6> kArrivalLawNames{"constant", "poisson", "gamma",
                                                                  "weibull",  "at_once", "closed"};

// A rate that goes from one to the other in a time; equal: constant. Requests a second.
struct RateStage {
  double from = 0, to = 0;
  sim::Duration time = sim::kForever;
};

struct Arrivals {
  ArrivalLaw law = ArrivalLaw::Poisson;
  double shape = 1;  // gamma: burstiness; weibull: shape. 1: poisson
  std::vector<RateStage> stages =
      {};                 // one that lasts for ever, or several: none comes after the last
  sim::Duration think{};  // closed: from an answer to the next request
  bool has_rate() const { return law != ArrivalLaw::AtOnce && law != ArrivalLaw::Closed; }
};

// A gap of mean 1. Gamma: Marsaglia and Tsang 2000; Weibull: by its inverse.
double draw_gap(ArrivalLaw law, double shape, sim::Random& random);

class ArrivalTimes {
 public:
  // `count`: how many will be asked for, where that is known.
  ArrivalTimes(const Arrivals& arrivals, std::optional<std::int64_t> count, std::uint64_t seed);
  // Nothing once the last stage is over.
  std::optional<sim::Time> next();

 private:
  Arrivals arrivals_;
  sim::Random random_;
  double stretch_ = 1;
  double sum_ = 0;  // of gaps
  std::size_t stage_ = 0;
  double stage_begins_ = 0;  // seconds
  double before_ = 0;        // integral of the rate up to the stage
};

}  // namespace moesim::workloads::serving
