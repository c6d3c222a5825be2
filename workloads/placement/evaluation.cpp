#include "workloads/placement/evaluation.h"

#include <algorithm>
#include <numeric>

namespace moesim::workloads {
namespace {

// Where the ranks stand: their node, and their place in it.
struct Places {
  explicit Places(const TokenSources& sources) : node(sources.ranks()), place(sources.ranks()) {
    std::vector<std::uint32_t> next(sources.nodes());
    for (std::uint32_t r = 0; r < sources.ranks(); ++r) {
      node[r] = sources.node.empty() ? 0u : sources.node[r];
      place[r] = next[node[r]]++;
    }
  }
  std::vector<std::uint32_t> node, place;
};

// Token copies in and out of each rank's ports.
struct Ports {
  explicit Ports(std::uint32_t ranks) : in(ranks), out(ranks) {}
  void move(std::uint32_t from, std::uint32_t to, std::uint64_t copies) {
    out[from] += copies;
    in[to] += copies;
    total += copies;
  }
  std::uint64_t busiest() const {
    return std::max(*std::max_element(in.begin(), in.end()),
                    *std::max_element(out.begin(), out.end()));
  }
  std::vector<std::uint64_t> in, out;
  std::uint64_t total = 0;
};

}  // namespace

PlacementScore evaluate(const ExpertPlacement& placement, RoutingSource& source,
                        const TokenSources& sources, const EvaluationWindow& window) {
  const std::uint32_t layers = source.layers(), ranks = sources.ranks(), nodes = sources.nodes();
  const Places places(sources);
  // rank_at[node x place]: the rank that a token lands on.
  std::vector<std::uint32_t> rank_at(std::size_t{nodes} * ranks);
  for (std::uint32_t r = 0; r < ranks; ++r) rank_at[places.node[r] * ranks + places.place[r]] = r;

  PlacementScore score;
  score.name = placement.name;
  score.busiest_rows.resize(layers);
  score.layer_network.resize(layers);
  score.layer_nvlink.resize(layers);
  const double steps = window.steps, samples = steps * layers;
  const double tokens = static_cast<double>(sources.begin.back()) * samples;
  LayerRouting routing;
  DispatchCounts counts;
  for (std::uint32_t s = 0; s < window.steps; ++s) {
    for (std::uint32_t l = 0; l < layers; ++l) {
      const RoutingView view =
          source.view({window.first_step + s, l, 0, source.tokens_per_step()}, routing);
      count_dispatch(view, placement.layer(l), sources, {}, counts);
      std::uint64_t most = 0, sum = 0;
      for (std::uint32_t r = 0; r < ranks; ++r) {
        most = std::max<std::uint64_t>(most, counts.rank_rows(r));
        sum += counts.rank_rows(r);
      }
      const double ratio =
          sum == 0 ? 1 : static_cast<double>(most) * ranks / static_cast<double>(sum);
      score.rank_max_over_mean += ratio / samples;
      score.worst_rank_max_over_mean = std::max(score.worst_rank_max_over_mean, ratio);
      score.busiest_rows[l] += static_cast<double>(most) / steps;

      Ports network(ranks), nvlink(ranks);
      for (std::uint32_t from = 0; from < ranks; ++from) {
        for (std::uint32_t n = 0; n < nodes; ++n) {
          const std::uint32_t copies = counts.node_tokens[std::size_t{from} * nodes + n];
          score.nodes_per_token += copies / tokens;
          if (n != places.node[from])
            network.move(from, rank_at[n * ranks + places.place[from]], copies);
        }
        for (std::uint32_t to = 0; to < ranks; ++to) {
          const std::uint32_t copies = counts.tokens[std::size_t{from} * ranks + to];
          score.ranks_per_token += copies / tokens;
          if (copies == 0) continue;
          const std::uint32_t landed = places.node[to] == places.node[from]
                                           ? from
                                           : rank_at[places.node[to] * ranks + places.place[from]];
          if (landed != to) nvlink.move(landed, to, copies);
        }
      }
      score.network_copies += static_cast<double>(network.total) / steps;
      score.nvlink_copies += static_cast<double>(nvlink.total) / steps;
      score.layer_network[l] += static_cast<double>(network.busiest()) / steps;
      score.layer_nvlink[l] += static_cast<double>(nvlink.busiest()) / steps;
    }
  }
  score.busiest_network =
      std::accumulate(score.layer_network.begin(), score.layer_network.end(), 0.0);
  score.busiest_nvlink = std::accumulate(score.layer_nvlink.begin(), score.layer_nvlink.end(), 0.0);
  return score;
}

double rank_max_over_mean(const ExpertPlacement& placement, const LoadTable& loads) {
  double sum = 0;
  for (std::uint32_t l = 0; l < loads.layers; ++l) {
    const LayerPlacement& layer = placement.layer(l);
    const auto load = loads.layer(l);
    std::vector<double> rank(layer.ranks());
    double total = 0;
    for (std::uint32_t slot = 0; slot < layer.slots(); ++slot) {
      const ExpertId expert = layer.slot_expert()[slot];
      const double part =
          static_cast<double>(load[expert]) / static_cast<double>(layer.replicas(expert).size());
      rank[layer.rank_of_slot(slot)] += part;
      total += part;
    }
    sum += total == 0 ? 1 : *std::max_element(rank.begin(), rank.end()) * layer.ranks() / total;
  }
  return sum / loads.layers;
}

WeightMoves weight_moves(const ExpertPlacement& before, const ExpertPlacement& after,
                         std::uint32_t layers, const TokenSources& sources) {
  const Places places(sources);
  Ports network(sources.ranks()), nvlink(sources.ranks());
  WeightMoves moves;
  for (std::uint32_t l = 0; l < layers; ++l) {
    const LayerPlacement& from = before.layer(l);
    const LayerPlacement& to = after.layer(l);
    for (std::uint32_t slot = 0; slot < to.slots(); ++slot) {
      const ExpertId expert = to.slot_expert()[slot];
      const std::uint32_t rank = to.rank_of_slot(slot);
      // Of those that have it: the rank itself, else the one of its node, else of all, that has
      // sent the least so far.
      std::uint32_t best = sources.ranks();
      int best_class = 3;
      for (const std::uint32_t held : from.replicas(expert)) {
        const std::uint32_t other = from.rank_of_slot(held);
        const int kind = other == rank ? 0 : places.node[other] == places.node[rank] ? 1 : 2;
        const auto& sent = kind == 1 ? nvlink.out : network.out;
        if (kind < best_class || (kind == best_class && sent[other] < sent[best])) {
          best = other;
          best_class = kind;
        }
      }
      if (best_class == 0) continue;
      ++moves.total;
      (best_class == 1 ? nvlink : network).move(best, rank, 1);
    }
  }
  moves.over_network = network.total;
  moves.busiest_network = network.busiest();
  moves.busiest_nvlink = nvlink.busiest();
  return moves;
}

}  // namespace moesim::workloads
