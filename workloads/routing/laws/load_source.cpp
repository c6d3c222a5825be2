#include "workloads/routing/laws/load_source.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "sim/check.h"
#include "sim/random.h"
#include "workloads/routing/counter_random.h"

namespace moesim::workloads {

std::vector<double> rescaled_load(std::span<const double> load, std::uint32_t experts,
                                  std::uint64_t seed) {
  std::vector<double> sorted(load.begin(), load.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> result(experts);
  for (std::uint32_t e = 0; e < experts; ++e) {
    // Measured load i stands at (i + 0.5) / n of the experts; between them it runs straight.
    const double x = std::clamp((e + 0.5) / experts * static_cast<double>(sorted.size()) - 0.5, 0.0,
                                static_cast<double>(sorted.size() - 1));
    const auto i = static_cast<std::size_t>(x);
    const double next = sorted[std::min(i + 1, sorted.size() - 1)];
    result[e] = sorted[i] + (next - sorted[i]) * (x - std::floor(x));
  }
  for (std::uint32_t e = experts; e > 1; --e) {
    std::swap(result[e - 1],
              result[scaled(static_cast<std::uint32_t>(counter_bits(seed, e) >> 32), e)]);
  }
  return result;
}

LoadSource::LoadSource(ExpertLoads loads, const LoadDraw& draw, std::string description)
    : loads_(std::move(loads)),
      draw_(draw),
      key_(sim::Random(draw.seed, "routing/loads").bits()),
      description_(std::move(description)) {
  SIM_CHECK(draw.top_k > 0 && draw.top_k <= loads_.experts, "a token chooses among the experts");
  SIM_CHECK(loads_.windows > 0, "there are loads");
}

std::vector<double> LoadSource::weights(std::uint32_t window, std::uint32_t layer) const {
  const auto load = loads_.layer(window, layer);
  std::vector<double> weights(load.begin(), load.end());
  const auto some = std::count_if(weights.begin(), weights.end(), [](double x) { return x > 0; });
  if (some < static_cast<std::ptrdiff_t>(draw_.top_k)) {
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const double least = sum > 0 ? sum / loads_.experts / 1000 : 1;
    for (double& weight : weights) weight = std::max(weight, least);
  }
  return weights;
}

std::uint64_t LoadSource::order_key(std::uint32_t layer) const {
  return counter_bits(key_ ^ 0x6f72646572, layer);  // "order"
}

std::uint64_t LoadSource::key(std::uint32_t step, std::uint32_t layer) const {
  return counter_bits(counter_bits(key_, step), layer);
}

std::optional<ChoiceSets> LoadSource::sets(std::uint32_t step, std::uint32_t layer) const {
  return choice_sets(weights(step % loads_.windows, layer), draw_.top_k, draw_.limit,
                     order_key(layer));
}

void LoadSource::route(const RoutingRange& range, LayerRouting& out) {
  SIM_CHECK(range.layer < loads_.layers, "the layer is one of the loads'");
  const std::uint32_t window = range.step % loads_.windows;
  if (samplers_.empty() || window != window_) {
    window_ = window;
    samplers_.clear();
    for (std::uint32_t l = 0; l < loads_.layers; ++l)
      samplers_.emplace_back(weights(window, l), draw_.top_k, draw_.limit.groups,
                             draw_.limit.per_token, order_key(l));
  }
  out.tokens = range.count;
  out.top_k = draw_.top_k;
  out.experts = loads_.experts;
  out.ids.resize(std::size_t{range.count} * draw_.top_k);
  const std::uint64_t token_key = key(range.step, range.layer);
  for (std::uint32_t t = 0; t < range.count; ++t) {
    samplers_[range.layer].draw(counter_bits(token_key, std::uint64_t{range.first} + t),
                                out.ids.data() + std::size_t{t} * draw_.top_k);
  }
}

}  // namespace moesim::workloads
