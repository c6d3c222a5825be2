#include "workloads/routing/laws/gating.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

// The `count` best of the values, best first, ties to the lower index.
void best(std::span<const float> values, std::uint32_t count, std::vector<std::uint32_t>& order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](std::uint32_t a, std::uint32_t b) {
                      return values[a] != values[b] ? values[a] > values[b] : a < b;
                    });
  order.resize(count);
}

// Score + bias of one token.
void biased(const GateScores& gates, std::uint32_t token, std::vector<float>& out) {
  const auto scores = gates.scores.subspan(std::size_t{token} * gates.experts, gates.experts);
  out.assign(scores.begin(), scores.end());
  for (std::size_t e = 0; e < gates.bias.size(); ++e) out[e] += gates.bias[e];
}

LayerRouting empty_routing(const GateScores& gates, std::uint32_t top_k) {
  SIM_CHECK(top_k > 0 && top_k <= gates.experts, "a token chooses among the experts");
  return {gates.tokens, top_k, gates.experts,
          std::vector<ExpertId>(std::size_t{gates.tokens} * top_k, kMissingExpert)};
}

}  // namespace

LayerRouting choose_top_k(const GateScores& gates, std::uint32_t top_k) {
  return choose_in_groups(gates, top_k, 1, 1);
}

LayerRouting choose_in_groups(const GateScores& gates, std::uint32_t top_k, std::uint32_t groups,
                              std::uint32_t groups_per_token) {
  SIM_CHECK(groups > 0 && gates.experts % groups == 0 && groups_per_token <= groups &&
                gates.experts / groups * groups_per_token >= top_k,
            "the allowed groups hold enough experts");
  LayerRouting routing = empty_routing(gates, top_k);
  const std::uint32_t size = gates.experts / groups;
  std::vector<float> values, group_values(groups);
  std::vector<std::uint32_t> order;
  for (std::uint32_t t = 0; t < gates.tokens; ++t) {
    biased(gates, t, values);
    if (groups_per_token < groups) {
      for (std::uint32_t g = 0; g < groups; ++g) {
        best(std::span(values).subspan(std::size_t{g} * size, size), std::min(2u, size), order);
        group_values[g] = 0;
        for (const std::uint32_t e : order) group_values[g] += values[g * size + e];
      }
      best(group_values, groups_per_token, order);
      std::vector<bool> allowed(groups);
      for (const std::uint32_t g : order) allowed[g] = true;
      for (std::uint32_t e = 0; e < gates.experts; ++e) {
        if (!allowed[e / size]) values[e] = -std::numeric_limits<float>::infinity();
      }
    }
    best(values, top_k, order);
    for (std::uint32_t k = 0; k < top_k; ++k)
      routing.ids[std::size_t{t} * top_k + k] = static_cast<ExpertId>(order[k]);
  }
  return routing;
}

LayerRouting choose_by_experts(const GateScores& gates, std::uint32_t top_k, std::uint32_t most) {
  LayerRouting routing = empty_routing(gates, std::min(most, gates.experts));
  const std::uint32_t taken = std::min<std::uint32_t>(
      gates.tokens, static_cast<std::uint32_t>(
                        (std::uint64_t{gates.tokens} * top_k + gates.experts - 1) / gates.experts));
  std::vector<std::vector<std::pair<float, ExpertId>>> takers(gates.tokens);
  std::vector<float> column(gates.tokens);
  std::vector<std::uint32_t> order;
  for (std::uint32_t e = 0; e < gates.experts; ++e) {
    for (std::uint32_t t = 0; t < gates.tokens; ++t)
      column[t] = gates.scores[std::size_t{t} * gates.experts + e];
    best(column, taken, order);
    for (const std::uint32_t t : order)
      takers[t].emplace_back(-column[t], static_cast<ExpertId>(e));
  }
  for (std::uint32_t t = 0; t < gates.tokens; ++t) {
    std::sort(takers[t].begin(), takers[t].end());
    for (std::uint32_t k = 0; k < std::min<std::size_t>(routing.top_k, takers[t].size()); ++k) {
      routing.ids[std::size_t{t} * routing.top_k + k] = takers[t][k].second;
    }
  }
  return routing;
}

std::uint64_t drop_over_capacity(LayerRouting& routing, double factor) {
  const auto capacity = static_cast<std::uint64_t>(
      std::ceil(factor * routing.tokens * routing.top_k / routing.experts));
  std::vector<std::uint64_t> load(routing.experts);
  std::uint64_t dropped = 0;
  for (std::uint32_t k = 0; k < routing.top_k; ++k) {
    for (std::uint32_t t = 0; t < routing.tokens; ++t) {
      ExpertId& id = routing.ids[std::size_t{t} * routing.top_k + k];
      if (id >= routing.experts) continue;
      if (++load[id] > capacity) {
        id = kMissingExpert;
        ++dropped;
      }
    }
  }
  return dropped;
}

void step_bias(std::span<float> bias, std::span<const std::uint32_t> loads, float rate) {
  SIM_CHECK(bias.size() == loads.size(), "a bias an expert");
  const double mean =
      std::accumulate(loads.begin(), loads.end(), 0.0) / static_cast<double>(loads.size());
  for (std::size_t e = 0; e < bias.size(); ++e) {
    if (loads[e] < mean) bias[e] += rate;
    if (loads[e] > mean) bias[e] -= rate;
  }
}

}  // namespace moesim::workloads
