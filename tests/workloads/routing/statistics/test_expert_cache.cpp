#include "workloads/routing/statistics/expert_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "sim/random.h"

using namespace moesim;
using workloads::cache_hits;
using workloads::CacheHits;
using workloads::CachePolicy;
using workloads::ExpertId;
using workloads::kMissingExpert;

namespace {

std::uint64_t hits(const std::vector<ExpertId>& ids, std::size_t top_k, std::size_t slots,
                   CachePolicy policy, std::uint64_t ahead = 0) {
  return cache_hits(ids, top_k, 8, slots, policy, ahead).hits;
}

}  // namespace

TEST_CASE("one expert a token, three places: every rule by hand") {
  // Tokens want 0 1 2 0 3 0 1 2 in turn.
  //   LRU     0 1 2 | 0 hits | 3 for 1: 0 2 3 | 0 hits | 1 for 2: 0 3 1 | 2 for 3: 2 hits
  //   LFU     0 1 2 | 0 hits | 3 for 1 (1 and 2 once, 1 longest ago) | 0 | 1 for 2, since 3 came
  //           later | 2 for 3: 2 hits
  //   Static  counts 0: 3, 1: 2, 2: 2, 3: 1: all but the 3: 7 hits
  //   Belady  0 1 2 | 0 hits | 3 for 2, wanted last (7; 1 at 6) | 0 | 1 hits | 2: 3 hits
  const std::vector<ExpertId> ids{0, 1, 2, 0, 3, 0, 1, 2};
  CHECK(hits(ids, 1, 3, CachePolicy::Lru) == 2);
  CHECK(hits(ids, 1, 3, CachePolicy::Lfu) == 2);
  CHECK(hits(ids, 1, 3, CachePolicy::Static) == 7);
  CHECK(hits(ids, 1, 3, CachePolicy::Belady) == 3);
  // At token 4 the next two are 0 and 1: 2 gives way, as in Belady. One ahead sees 0 alone and
  // loses 1, and at token 6 keeps 2, which comes next: 0, 0 and 2 are hit.
  CHECK(hits(ids, 1, 3, CachePolicy::LookAhead, 2) == 3);
  CHECK(hits(ids, 1, 3, CachePolicy::LookAhead, 1) == 3);
  // A 0 that comes two tokens after the 3 that wants a place is kept by who sees two, not one.
  CHECK(hits({0, 1, 2, 3, 4, 0}, 1, 3, CachePolicy::LookAhead, 1) == 0);
  CHECK(hits({0, 1, 2, 3, 4, 0}, 1, 3, CachePolicy::LookAhead, 2) == 1);
  CHECK(cache_hits(ids, 1, 8, 3, CachePolicy::Lru).rate() == 0.25);
}

TEST_CASE("what is wanted often stays by count, what was wanted lately by time") {
  // 0 three times, then 1, 2 in turn, two places. LRU: 0 0 hit, then 1 2 fill: 0 is gone when it
  // comes back; 2 hits. LFU keeps 0 (3): 1, then 2 for 1; 0 hits: 3.
  const std::vector<ExpertId> ids{0, 0, 0, 1, 2, 0};
  CHECK(hits(ids, 1, 2, CachePolicy::Lru) == 2);
  CHECK(hits(ids, 1, 2, CachePolicy::Lfu) == 3);
}

TEST_CASE("a token's experts are there together and do not give way to each other") {
  // Two a token, three places: {0 1} {2 0} {1 2}. LRU: 0 1 fetched; 0 hits, 2 fetched: 0 1 2 are
  // there; both hit: 3.
  CHECK(hits({0, 1, 2, 0, 1, 2}, 2, 3, CachePolicy::Lru) == 3);
  // Two places: at {2 0} only 1 may give way; at {1 2} only 0: a hit each.
  CHECK(hits({0, 1, 2, 0, 1, 2}, 2, 2, CachePolicy::Lru) == 2);
  // A missing selection is neither wanted nor fetched.
  const CacheHits some =
      cache_hits(std::vector<ExpertId>{0, kMissingExpert, 0, 1}, 2, 8, 2, CachePolicy::Belady);
  CHECK(some.wanted == 3);
  CHECK(some.hits == 1);
}

TEST_CASE(
    "no rule that fetches has more hits than Belady, and looking ahead leads from LRU to it") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "expert cache");
    const std::size_t top_k = 1 + random.below(3), slots = top_k + random.below(4);
    std::vector<ExpertId> ids;
    for (int token = 0; token < 60; ++token) {
      std::vector<ExpertId> all{0, 1, 2, 3, 4, 5, 6, 7};
      for (std::size_t k = 0; k < top_k; ++k) {
        const std::size_t place = k + random.below(8 - k);
        std::swap(all[k], all[place]);
        ids.push_back(all[k]);
      }
    }
    const std::uint64_t best = hits(ids, top_k, slots, CachePolicy::Belady);
    const std::uint64_t lru = hits(ids, top_k, slots, CachePolicy::Lru);
    CHECK(best >= lru);
    CHECK(best >= hits(ids, top_k, slots, CachePolicy::Lfu));
    CHECK(best >= hits(ids, top_k, slots, CachePolicy::LookAhead, 5));
    CHECK(hits(ids, top_k, slots, CachePolicy::LookAhead, 0) == lru);
    CHECK(hits(ids, top_k, slots, CachePolicy::LookAhead, 60) == best);
    // With room for all, only the first of each is fetched.
    const CacheHits roomy = cache_hits(ids, top_k, 8, 8, CachePolicy::Lru);
    std::vector<ExpertId> different = ids;
    std::ranges::sort(different);
    different.erase(std::unique(different.begin(), different.end()), different.end());
    CHECK(roomy.wanted - roomy.hits == different.size());
  }
}
