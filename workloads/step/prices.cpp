#include "workloads/step/prices.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

using sim::Duration;

// Orders questions; what it says has no meaning beyond that.
std::vector<std::int64_t> key_of(const Batch& batch, std::int64_t routing) {
  std::vector<std::int64_t> key{routing, batch.drafted};
  for (const RankBatch& rank : batch.ranks) {
    key.push_back(static_cast<std::int64_t>(rank.size()));
    for (const BatchShape& part : rank) {
      key.insert(key.end(), {static_cast<std::int64_t>(part.phase), part.sequences,
                             part.query_length, part.kv_length, part.encoder_length});
    }
  }
  return key;
}

// The mean of sums to the mean of the whole: what rounding leaves goes to the largest part.
StepPrice mean_of(const std::vector<StepPrice>& prices) {
  const auto count = static_cast<std::int64_t>(prices.size());
  StepPrice mean{.low = prices.front().low, .high = prices.front().high};
  for (const StepPrice& price : prices) {
    mean.time += price.time;
    mean.low = std::min(mean.low, price.low);
    mean.high = std::max(mean.high, price.high);
    for (std::size_t f = 0; f < kFactors; ++f) mean.parts[f] += price.parts[f];
    mean.extrapolated = mean.extrapolated || price.extrapolated;
  }
  mean.time = (mean.time + Duration(count / 2)) / count;
  Duration left = mean.time;
  for (Duration& part : mean.parts) left -= part /= count;
  *std::ranges::max_element(mean.parts) += left;
  return mean;
}

}  // namespace

double PriceCheck::error() const {
  return std::abs(static_cast<double>(priced.count()) / static_cast<double>(played.count()) - 1);
}

struct StepPrices::State {
  StepPlayer& player;
  PriceOptions options;
  std::map<std::vector<std::int64_t>, StepPrice> known = {};
};

StepPrices::StepPrices(StepPlayer& player, const PriceOptions& options)
    : state_(std::make_unique<State>(State{player, options})) {}
StepPrices::~StepPrices() = default;
StepPrices::StepPrices(StepPrices&&) noexcept = default;

std::int64_t StepPrices::routings() const {
  return state_->player.routing_steps();
}

StepPrice StepPrices::exact(const Batch& batch, std::int64_t routing) {
  const StepOutcome played =
      state_->player.outcome(batch, routing, {.ranks = false, .path = true, .links = false});
  return {.time = played.time,
          .low = played.time,
          .high = played.time,
          .parts = factors_of(played.path, played.account),
          .extrapolated = extrapolated(played.account)};
}

StepPrice StepPrices::of(const Batch& batch, std::int64_t routing) {
  auto& known = state_->known;
  std::vector<std::int64_t> key = key_of(batch, routing);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  if (known.size() >= state_->options.most_remembered) known.clear();
  return known.emplace(std::move(key), exact(batch, routing)).first->second;
}

StepPrice StepPrices::of(const Batch& batch) {
  std::vector<StepPrice> prices;
  for (std::int64_t r = 0; r < routings(); ++r) prices.push_back(of(batch, r));
  return mean_of(prices);
}

PriceCheck StepPrices::check(const Batch& batch, std::int64_t routing) {
  return {.priced = of(batch, routing).time, .played = exact(batch, routing).time};
}

}  // namespace moesim::workloads
