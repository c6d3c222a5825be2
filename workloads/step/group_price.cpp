#include "workloads/step/group_price.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "sim/check.h"
#include "workloads/step/rank_ops.h"

namespace moesim::workloads {
namespace {

using sim::Duration;

// Batches of a rank whose attention is remembered.
constexpr std::size_t kMostRankPrices = 1 << 16;

bool is_prompts_only(const Batch& batch) {
  return std::ranges::none_of(batch.ranks, [](const RankBatch& rank) {
    return std::ranges::any_of(rank, [](const BatchShape& part) {
      return part.phase == StepPhase::Decode && part.sequences > 0;
    });
  });
}

std::vector<std::vector<std::size_t>> groups_of(const Deployment& deployment,
                                                const RankLayout& layout) {
  const Parallelism& p = layout.parallelism();
  std::vector<std::size_t> group(static_cast<std::size_t>(p.dp));
  for (std::size_t i = 0; i < group.size(); ++i) group[i] = i;
  const auto join = [&](std::size_t a, std::size_t b) {
    const std::size_t from = std::max(group[a], group[b]), to = std::min(group[a], group[b]);
    std::ranges::replace(group, from, to);
  };
  if (tokens_are_sharded(deployment)) {
    for (Rank rank = 0; rank < layout.ranks(); ++rank) {
      for (const Rank other : {layout.ep_group(rank).front(), layout.etp_group(rank).front()}) {
        join(static_cast<std::size_t>(layout.dense(rank).dp),
             static_cast<std::size_t>(layout.dense(other).dp));
      }
    }
  }
  std::map<std::size_t, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < group.size(); ++i) members[group[i]].push_back(i);
  std::vector<std::vector<std::size_t>> groups;
  for (auto& [first, ranks] : members) groups.push_back(std::move(ranks));
  return groups;
}

}  // namespace

double time_of(const MetGroup& group, const ExactPart& exact) {
  return group.more + static_cast<double>(exact.logits.count()) +
         group.meetings.time(exact.stretches);
}

ExactPart as_in_a_point(const ExactPart& exact, std::int64_t full) {
  ExactPart placed = exact;
  if (exact.stretches.empty()) return placed;
  const auto ranks = static_cast<std::int64_t>(exact.tokens.size());
  std::vector<std::int64_t> by_tokens(exact.tokens.size());
  std::iota(by_tokens.begin(), by_tokens.end(), 0);
  std::ranges::stable_sort(by_tokens, std::ranges::greater{}, [&](std::int64_t rank) {
    return exact.tokens[static_cast<std::size_t>(rank)];
  });
  std::vector<bool> fullest(exact.tokens.size());
  for (std::int64_t i = 0; i < full; ++i)
    fullest[static_cast<std::size_t>(by_tokens[static_cast<std::size_t>(i)])] = true;
  // Those of the fullest that stand where no full rank is change places with those that stand where
  // one is.
  std::size_t from = 0;
  for (std::int64_t place = 0; place < ranks; ++place) {
    const auto to = static_cast<std::size_t>(place);
    if (!is_full(place, ranks, full) || fullest[to]) continue;
    while (!fullest[from] || is_full(static_cast<std::int64_t>(from), ranks, full)) ++from;
    for (auto& of_ranks : placed.stretches) std::swap(of_ranks[to], of_ranks[from]);
    ++from;
  }
  return placed;
}

GroupPricer::GroupPricer(const StepPlayer& player)
    : deployment_(player.deployment()),
      groups_(groups_of(player.deployment(), player.layout())),
      speed_(static_cast<std::size_t>(deployment_.layout.dp), 1),
      ranks_of_(speed_.size()),
      pricer_(player.program(), deployment_, kMostRankPrices) {
  for (Rank rank = 0; rank < player.layout().ranks(); ++rank) {
    const auto dp = static_cast<std::size_t>(player.layout().dense(rank).dp);
    speed_[dp] = std::min(speed_[dp], deployment_.cluster.speed_of(rank));
    ranks_of_[dp].push_back(rank);
  }
}

ExactPart GroupPricer::exact_part(const Batch& batch, const std::vector<std::size_t>& group,
                                  bool by_rank) {
  ExactPart exact;
  const bool prompts_only = is_prompts_only(batch);
  if (by_rank) {
    exact.stretches.assign(pricer_.stretches(prompts_only).counts.size(),
                           std::vector<double>(group.size(), 0));
  }
  const Host& host = deployment_.host;
  const bool thinks = host.of_step(1, 1) > Duration{};
  for (std::size_t i = 0; i < group.size(); ++i) {
    const RankBatch& rank = batch.of(group[i]);
    const std::int64_t tokens = tokens_of(rank);
    exact.total += tokens;
    exact.fullest = std::max(exact.fullest, tokens);
    exact.squares += static_cast<double>(tokens) * static_cast<double>(tokens);
    if (by_rank) exact.tokens.push_back(tokens);
    if (thinks) {
      exact.host = std::max(
          exact.host, host.of_step(std::max<std::int64_t>(1, sequences_of(rank)), batch.drafted));
    }
    if (tokens == 0) continue;
    const RankPrice& price = pricer_.of(rank, prompts_only, speed_[group[i]]);
    if (price.attention > exact.attention) {
      exact.attention = price.attention;
      exact.cores = price.cores;
    }
    exact.head = std::max(exact.head, price.head);
    exact.logits = std::max(exact.logits, price.logits);
    if (!by_rank) continue;
    for (std::size_t s = 0; s < exact.stretches.size(); ++s) {
      exact.stretches[s][i] = price.stretches[s];
    }
  }
  return exact;
}

// A dp rank is there when the last of its GPUs is.
std::vector<MetGroup> GroupPricer::meetings_of(const Meetings& step, const Batch& batch) {
  std::vector<MetGroup> all;
  const std::vector<std::uint32_t>& stretches = pricer_.stretches(is_prompts_only(batch)).before;
  for (const auto& group : groups_) {
    std::vector<double> after(stretches.size() * group.size(), 0);
    sim::Time done{};
    for (std::size_t i = 0; i < group.size(); ++i) {
      for (const Rank rank : ranks_of_[group[i]]) {
        SIM_CHECK(step.after[rank].size() == stretches.size(), "ranks meet at each dispatch");
        done = std::max(done, step.done[rank]);
        for (std::size_t m = 0; m < stretches.size(); ++m) {
          double& latest = after[m * group.size() + i];
          latest = std::max(latest, static_cast<double>(step.after[rank][m].count()));
        }
      }
    }
    MetGroup& met = all.emplace_back(
        MetGroup{.meetings = GroupMeetings(group.size(), std::move(after), stretches)});
    // What is priced exactly of this very batch, and what it took.
    met.more = static_cast<double>(done.time_since_epoch().count()) -
               time_of(met, exact_part(batch, group, true));
  }
  return all;
}

}  // namespace moesim::workloads
