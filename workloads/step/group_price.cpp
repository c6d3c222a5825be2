#include "workloads/step/group_price.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "sim/check.h"
#include "workloads/step/rank_ops.h"

namespace moesim::workloads {
namespace {

using sim::Duration;

// Batches of a rank whose attention is remembered.
constexpr std::size_t kMostRankPrices = 1 << 16;

// The largest of a[i] + b[i], eight at a time.
double largest_sum(const double* a, const double* b, std::size_t count) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> most;
  most.fill(-std::numeric_limits<double>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const double sum = a[i + k] + b[i + k];
      most[k] = most[k] < sum ? sum : most[k];
    }
  }
  for (; i < count; ++i) most[0] = std::max(most[0], a[i] + b[i]);
  return *std::ranges::max_element(most);
}

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

double time_of(const GroupMeetings& group, const ExactPart& exact,
               const RankPricer::Stretches& stretches) {
  const std::size_t ranks = exact.at_end.size();
  const double* after = group.after.data();
  double sum = group.more + static_cast<double>(exact.logits.count());
  for (std::size_t m = 0; m + 1 < stretches.before.size(); ++m, after += ranks) {
    sum += largest_sum(after, exact.stretches[stretches.before[m]].data(), ranks);
  }
  return sum + largest_sum(after, exact.at_end.data(), ranks);
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

const RankPricer::Stretches& GroupPricer::stretches(const Batch& batch) const {
  return pricer_.stretches(is_prompts_only(batch));
}

ExactPart GroupPricer::exact_part(const Batch& batch, const std::vector<std::size_t>& group,
                                  bool by_rank) {
  ExactPart exact;
  const bool prompts_only = is_prompts_only(batch);
  const RankPricer::Stretches& passed = pricer_.stretches(prompts_only);
  const auto& counts = passed.counts;
  if (by_rank) {
    exact.stretches.assign(counts.size(), std::vector<double>(group.size(), 0));
    exact.at_end.assign(group.size(), 0);
  }
  const Host& host = deployment_.host;
  const bool thinks = host.of_step(1, 1) > Duration{};
  for (std::size_t i = 0; i < group.size(); ++i) {
    const RankBatch& rank = batch.of(group[i]);
    const std::int64_t tokens = tokens_of(rank);
    exact.total += tokens;
    if (tokens > exact.fullest) {
      exact.fullest = tokens;
      exact.fullest_rank = i;
    }
    if (thinks) {
      exact.host = std::max(
          exact.host, host.of_step(std::max<std::int64_t>(1, sequences_of(rank)), batch.drafted));
    }
    if (tokens == 0) continue;
    const RankPrice& price = pricer_.of(rank, prompts_only);
    const double slowest = speed_[group[i]];
    const Duration attention = time_at(slowest, price.attention);
    if (attention > exact.attention) {
      exact.attention = attention;
      exact.cores = time_at(slowest, price.cores);
    }
    exact.head = std::max(exact.head, time_at(slowest, price.head));
    exact.logits = std::max(exact.logits, price.logits);
    exact.extrapolated = exact.extrapolated || price.extrapolated;
    if (!by_rank) continue;
    for (std::size_t s = 0; s < counts.size(); ++s) {
      Duration sum{};
      for (std::size_t c = 0; c < counts[s].size(); ++c) {
        sum += time_at(slowest, price.layer[c]) * counts[s][c];
      }
      exact.stretches[s][i] = static_cast<double>(sum.count());
    }
    exact.at_end[i] = exact.stretches[passed.before.back()][i] +
                      static_cast<double>(time_at(slowest, price.head).count());
  }
  return exact;
}

// A dp rank is there when the last of its GPUs is.
std::vector<GroupMeetings> GroupPricer::meetings_of(const Meetings& step, const Batch& batch) {
  std::vector<GroupMeetings> all;
  const RankPricer::Stretches& passed = stretches(batch);
  const std::size_t meetings = passed.before.size();
  for (const auto& group : groups_) {
    GroupMeetings& of_it = all.emplace_back();
    of_it.after.assign(meetings * group.size(), 0);
    // What is priced exactly of this very batch, and what it took.
    const ExactPart exact = exact_part(batch, group, true);
    sim::Time done{};
    for (std::size_t i = 0; i < group.size(); ++i) {
      for (const Rank rank : ranks_of_[group[i]]) {
        SIM_CHECK(step.after[rank].size() == meetings, "ranks meet at each dispatch");
        done = std::max(done, step.done[rank]);
        for (std::size_t m = 0; m < meetings; ++m) {
          double& after = of_it.after[m * group.size() + i];
          after = std::max(after, static_cast<double>(step.after[rank][m].count()));
        }
      }
    }
    of_it.more =
        static_cast<double>(done.time_since_epoch().count()) - time_of(of_it, exact, passed);
  }
  return all;
}

}  // namespace moesim::workloads
