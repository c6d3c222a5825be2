#include "workloads/routing/statistics/expert_cache.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <vector>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

// Of each selection, the next token that wants the same expert.
std::vector<std::uint64_t> next_uses(std::span<const ExpertId> ids, std::size_t top_k,
                                     std::size_t experts) {
  std::vector<std::uint64_t> next(ids.size(), kNever), of_expert(experts, kNever);
  for (std::size_t i = ids.size(); i-- > 0;) {
    if (ids[i] == kMissingExpert) continue;
    next[i] = of_expert[ids[i]];
    of_expert[ids[i]] = i / top_k;
  }
  return next;
}

CacheHits static_hits(std::span<const ExpertId> ids, std::size_t experts, std::size_t slots) {
  std::vector<std::uint64_t> counts(experts);
  CacheHits found;
  for (const ExpertId id : ids) {
    if (id == kMissingExpert) continue;
    ++counts[id];
    ++found.wanted;
  }
  std::ranges::sort(counts, std::greater());
  const auto end = counts.begin() + static_cast<std::ptrdiff_t>(std::min(slots, experts));
  found.hits = std::accumulate(counts.begin(), end, std::uint64_t{0});
  return found;
}

// What is known of an expert.
struct Use {
  std::uint64_t last = 0;        // selection that wanted it, counted from 1
  std::uint64_t count = 0;       // of tokens so far
  std::uint64_t next = kNever;   // token that will
  std::uint64_t token = kNever;  // that wants it now
};

class Cache {
 public:
  Cache(std::size_t experts, std::size_t slots, CachePolicy policy, std::uint64_t ahead)
      : uses_(experts), there_(experts), slots_(slots), policy_(policy), ahead_(ahead) {}

  bool has(ExpertId id) const { return there_[id]; }
  Use& use(ExpertId id) { return uses_[id]; }

  void fetch(ExpertId id, std::uint64_t token) {
    if (kept_.size() < slots_) {
      kept_.push_back(id);
    } else {
      std::size_t gives_way = slots_;
      for (std::size_t i = 0; i < kept_.size(); ++i) {
        if (uses_[kept_[i]].token == token) continue;
        if (gives_way == slots_ || before(kept_[i], kept_[gives_way], token)) gives_way = i;
      }
      SIM_CHECK(gives_way < slots_, "a token's experts do not fill the cache alone");
      there_[kept_[gives_way]] = false;
      kept_[gives_way] = id;
    }
    there_[id] = true;
  }

 private:
  bool before(ExpertId a, ExpertId b, std::uint64_t token) const {
    return key(a, token) < key(b, token);
  }

  // The least gives way.
  std::tuple<std::uint64_t, std::uint64_t, ExpertId> key(ExpertId id, std::uint64_t token) const {
    const Use& use = uses_[id];
    switch (policy_) {
      case CachePolicy::Lfu:
        return {use.count, use.last, id};
      case CachePolicy::Belady:
        return {kNever - use.next, 0, id};
      case CachePolicy::LookAhead:
        if (use.next != kNever && use.next - token <= ahead_) return {1, kNever - use.next, id};
        return {0, use.last, id};
      case CachePolicy::Lru:
      case CachePolicy::Static:
        break;
    }
    return {use.last, 0, id};
  }

  std::vector<Use> uses_;
  std::vector<bool> there_;
  std::vector<ExpertId> kept_;
  std::size_t slots_;
  CachePolicy policy_;
  std::uint64_t ahead_;
};

}  // namespace

CacheHits cache_hits(std::span<const ExpertId> ids, std::size_t top_k, std::size_t experts,
                     std::size_t slots, CachePolicy policy, std::uint64_t ahead) {
  SIM_CHECK(top_k > 0 && top_k <= slots, "a cache has room for one token's experts");
  if (policy == CachePolicy::Static) return static_hits(ids, experts, slots);
  const auto next = next_uses(ids, top_k, experts);
  Cache cache(experts, slots, policy, ahead);
  CacheHits found;
  for (std::uint64_t token = 0; token * top_k < ids.size(); ++token) {
    const std::size_t begin = token * top_k, end = std::min(begin + top_k, ids.size());
    // All of them are wanted before one is fetched: none gives way to another.
    for (std::size_t i = begin; i < end; ++i) {
      if (ids[i] == kMissingExpert) continue;
      Use& use = cache.use(ids[i]);
      ++found.wanted;
      if (cache.has(ids[i])) ++found.hits;
      use.last = i + 1;
      ++use.count;
      use.next = next[i];
      use.token = token;
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (ids[i] != kMissingExpert && !cache.has(ids[i])) cache.fetch(ids[i], token);
    }
  }
  return found;
}

}  // namespace moesim::workloads
