#include "tools/study/plan/offer.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "validation/confidence.h"

namespace moesim::tools {
namespace {

// Above this a plan is no plan: no cluster has so many GPUs.
constexpr double kMostEngines = 1e6;

bool within(const Offer& offer, const EngineTerms& terms, const Limits& limits) {
  return offer.engines <= terms.most_engines && offer.gpus <= std::min(limits.gpus, terms.most) &&
         offer.cost <= limits.cost && offer.power <= limits.power;
}

// Engines whose GPUs draw so many watts each.
std::int64_t engines_drawing(double watts, const EngineTerms& terms, const Limits& limits) {
  std::int64_t engines =
      std::min(terms.most_engines, std::min(limits.gpus, terms.most) / terms.gpus);
  const auto at_most = [&](double limit, double of_gpu) {
    if (!std::isfinite(limit) || of_gpu <= 0) return;
    engines = std::min(
        engines, static_cast<std::int64_t>(limit / (of_gpu * static_cast<double>(terms.gpus))));
  };
  at_most(limits.cost, terms.price);
  at_most(limits.power, watts);
  return engines;
}

}  // namespace

std::int64_t engines_lost(const EngineTerms& terms, Spare spare) {
  if (spare == Spare::None) return 0;
  if (spare == Spare::Gpu) return 1;
  return std::max<std::int64_t>(1, terms.gpus_per_node / terms.gpus);
}

Offer offer_with(const EngineTerms& terms, std::int64_t engines, double capacity, double deviation,
                 const Demand& demand) {
  Offer offer{.engines = engines, .gpus = engines * terms.gpus};
  offer.cost = static_cast<double>(offer.gpus) * terms.price;
  offer.capacity = static_cast<double>(engines) * capacity;
  const bool ends = demand.tokens > 0;
  const double used = offer.capacity > 0 && !ends ? std::min(1.0, demand.rate / offer.capacity) : 1;
  offer.power =
      static_cast<double>(offer.gpus) * (terms.idle_w + used * (terms.busy_w - terms.idle_w));
  const std::int64_t left = engines - engines_lost(terms, demand.spare);
  offer.probability =
      validation::probability_of(static_cast<double>(left) * capacity, demand.rate, deviation);
  switch (demand.objective) {
    case Objective::Gpus:
      offer.value = static_cast<double>(offer.gpus);
      break;
    case Objective::Cost:
      offer.value = ends ? offer.cost * (demand.tokens / offer.capacity / 3600) : offer.cost;
      break;
    case Objective::Power:
      offer.value = offer.power;
      break;
    case Objective::Throughput:
      offer.value = -offer.capacity;
  }
  return offer;
}

std::optional<Offer> offer_without_limits(const EngineTerms& terms, double capacity,
                                          double deviation, const Demand& demand) {
  if (capacity <= 0) return {};
  const double needed =
      validation::capacity_for(demand.rate, demand.confidence, deviation) / capacity;
  if (needed > kMostEngines) return {};
  // What is a whole number but for rounding is one.
  const auto engines = static_cast<std::int64_t>(std::ceil(needed * (1 - 1e-12)));
  return offer_with(terms, engines + engines_lost(terms, demand.spare), capacity, deviation,
                    demand);
}

std::optional<Offer> offer_of(const EngineTerms& terms, double capacity, double deviation,
                              const Demand& demand) {
  std::optional<Offer> least = offer_without_limits(terms, capacity, deviation, demand);
  if (!least || !within(*least, terms, demand.limits)) return {};
  if (demand.objective != Objective::Throughput) return least;
  Limits unpowered = demand.limits;
  unpowered.power = std::numeric_limits<double>::infinity();
  std::int64_t engines = engines_within(terms, unpowered);
  if (std::isfinite(demand.limits.power) && terms.idle_w > 0) {
    // What is beyond the least that carries the rate only waits.
    const double each = terms.idle_w * static_cast<double>(terms.gpus);
    const double left = demand.limits.power - least->power;
    engines = std::min(engines, least->engines + static_cast<std::int64_t>(left / each));
  }
  engines = std::clamp(engines, least->engines, terms.most_engines);
  return offer_with(terms, engines, capacity, deviation, demand);
}

std::int64_t engines_within(const EngineTerms& terms, const Limits& limits) {
  return engines_drawing(terms.idle_w, terms, limits);
}

std::int64_t engines_at_work_within(const EngineTerms& terms, const Limits& limits) {
  return engines_drawing(terms.busy_w, terms, limits);
}

bool better(const Offer& a, const Offer& b) {
  return std::tuple(a.value, a.gpus, -a.capacity) < std::tuple(b.value, b.gpus, -b.capacity);
}

}  // namespace moesim::tools
