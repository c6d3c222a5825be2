#include "tools/study/plan/apart.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "tools/study/plan/floor.h"
#include "tools/study/plan/rate_match.h"
#include "tools/study/plan/sieves.h"

namespace moesim::tools {
namespace {

// A layout in both roles.
struct Roles {
  std::size_t candidate = 0;
  Estimate reads = {}, generates = {};
};

struct Pair {
  std::size_t prefill = 0, decode = 0;  // of a setting's roles
  MatchedPools engines = {};
  std::int64_t gpus = 0;
  double a_gpu() const { return engines.capacity / static_cast<double>(gpus); }
  bool operator==(const Pair&) const = default;
};

// All as readers, then as generators of what the fastest of them reads.
std::vector<Roles> roles_of(PlanWork& work, const std::vector<std::size_t>& members) {
  std::vector<Roles> roles;
  double first_s = std::numeric_limits<double>::infinity();
  for (const std::size_t i : members) {
    work.proceed("pools", roles.size(), 2 * members.size());
    const KnownEngine& known = work.known[i];
    roles.push_back({.candidate = i,
                     .reads = estimate_reader(work.deployment(i), left_by(known.question),
                                              left_by(known.cache))});
    if (roles.back().reads.capacity > 0) first_s = std::min(first_s, roles.back().reads.first_s);
  }
  if (std::isinf(first_s)) return {};
  for (std::size_t i = 0; i < roles.size(); ++i) {
    work.proceed("pools", roles.size() + i, 2 * members.size());
    const KnownEngine& known = work.known[roles[i].candidate];
    roles[i].generates = estimate_generator(work.deployment(roles[i].candidate),
                                            left_by(known.question), left_by(known.cache), first_s);
  }
  return roles;
}

// Those that carry the most a GPU, and those of the fewest GPUs for the load; one that is both is
// among them once.
std::vector<Pair> best_pairs(const PlanWork& work, const std::vector<Roles>& roles) {
  const auto rate = [&](std::size_t i, const Estimate& e) {
    return PoolRate{.rate = e.capacity, .gpus = work.plan.candidates[roles[i].candidate].gpus()};
  };
  const auto most =
      std::min(work.spec.demand.limits.gpus, work.terms(roles.front().candidate).most);
  std::vector<Pair> best, smallest;
  for (std::size_t p = 0; p < roles.size(); ++p) {
    for (std::size_t d = 0; d < roles.size(); ++d) {
      const PoolRate reads = rate(p, roles[p].reads), generates = rate(d, roles[d].generates);
      const auto add = [&](const MatchedPools& engines, std::vector<Pair>& pairs) {
        if (engines.prefill == 0) return;
        pairs.push_back(
            {p, d, engines, engines.prefill * reads.gpus + engines.decode * generates.gpus});
      };
      add(match(reads, generates, most), best);
      add(fewest_for(reads, generates, kLoadCarried * work.spec.demand.rate, most), smallest);
    }
  }
  std::ranges::stable_sort(best, [](const Pair& a, const Pair& b) {
    return std::tuple(-a.a_gpu(), a.gpus) < std::tuple(-b.a_gpu(), b.gpus);
  });
  std::ranges::stable_sort(smallest, [](const Pair& a, const Pair& b) {
    return std::tuple(a.gpus, -a.engines.capacity) < std::tuple(b.gpus, -b.engines.capacity);
  });
  best.resize(std::min(best.size(), kPairsKept));
  smallest.resize(std::min(smallest.size(), kPairsKept));
  for (const Pair& pair : smallest)
    if (std::ranges::find(best, pair) == best.end()) best.push_back(pair);
  return best;
}

// What either pool carries alone at most: proved.
double ceiling_of_pair(const PlanWork& work, const std::vector<Roles>& roles, const Pair& pair) {
  const auto of = [&](std::size_t i, bool reads) {
    const std::size_t c = roles[i].candidate;
    return ceiling_of_pool(work, c, reads);
  };
  return std::min(static_cast<double>(pair.engines.prefill) * of(pair.prefill, true),
                  static_cast<double>(pair.engines.decode) * of(pair.decode, false));
}

// While they work: of each pool as many GPUs as it has.
hardware::PowerUse use_of(const PlanWork& work, const std::vector<Roles>& roles, const Pair& pair) {
  const auto gpus = [&](std::size_t i, std::int64_t engines) {
    return static_cast<double>(engines * work.plan.candidates[roles[i].candidate].gpus());
  };
  const double reads = gpus(pair.prefill, pair.engines.prefill) / static_cast<double>(pair.gpus);
  const hardware::PowerUse &a = roles[pair.prefill].reads.use,
                           &b = roles[pair.decode].generates.use;
  return {.busy = 1,
          .memory = reads * a.memory + (1 - reads) * b.memory,
          .compute = reads * a.compute + (1 - reads) * b.compute};
}

void add(PlanWork& work, const std::vector<Roles>& roles, const Pair& pair) {
  const Candidate& reads = work.plan.candidates[roles[pair.prefill].candidate];
  EngineChoice choice = work.plan.candidates[roles[pair.decode].candidate].choice;
  choice.decoders = pair.engines.decode;
  choice.prefill = PrefillEngines{.layout = reads.choice.layout, .engines = pair.engines.prefill};
  const PlanSetting& setting = work.settings[choice.setting];
  const Estimate &e = roles[pair.decode].generates, &first = roles[pair.prefill].reads;
  KnownEngine known;
  known.question =
      std::make_shared<const workloads::serving::ServingQuestion>(setting.question(choice));
  known.ceiling = ceiling_of_pair(work, roles, pair);
  work.known.push_back(std::move(known));
  work.plan.candidates.push_back({.choice = choice,
                                  .device = setting.device(),
                                  .name = setting.name_of(choice),
                                  .estimate = Estimate{.capacity = pair.engines.capacity,
                                                       .batch = e.batch,
                                                       .token_s = e.token_s,
                                                       .first_s = first.first_s,
                                                       .use = use_of(work, roles, pair)}});
  work.left.push_back(work.plan.candidates.size() - 1);
}

void add_pairs(PlanWork& work, const std::vector<std::size_t>& members, PlanStage& stage) {
  const std::vector<Roles> roles = roles_of(work, members);
  stage.in += members.size() * members.size();
  if (roles.empty()) return;
  for (const Pair& pair : best_pairs(work, roles)) {
    add(work, roles, pair);
    ++stage.out;
  }
}

}  // namespace

void add_pools_apart(PlanWork& work) {
  if (!work.spec.space.apart || work.spec.steps) return;
  // Of one setting, with equal slots and overlap.
  std::map<std::tuple<std::size_t, std::int64_t, bool>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < work.plan.candidates.size(); ++i) {
    const EngineChoice& c = work.plan.candidates[i].choice;
    if (work.known[i].cache) groups[{c.setting, c.redundant, c.two_batch}].push_back(i);
  }
  if (!work.spec.space.together) {
    for (const std::size_t i : work.left)
      work.plan.candidates[i].rejected = Rejection{"pools", "prompts are to be read apart"};
    work.left.clear();
  }
  PlanStage stage{.name = "pools"};
  {
    const StageTime time(work, stage.wall_s);
    for (const auto& [group, members] : groups) add_pairs(work, members, stage);
  }
  work.plan.stages.push_back(std::move(stage));
}

}  // namespace moesim::tools
