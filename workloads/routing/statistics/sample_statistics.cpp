#include "workloads/routing/statistics/sample_statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "sim/random.h"
#include "workloads/routing/statistics/load_statistics.h"

namespace moesim::workloads {
namespace {

constexpr std::size_t kMostPairCounts = std::size_t{1} << 25;  // 128 MiB
constexpr std::size_t kMostUnitCounts = std::size_t{1} << 21;
constexpr std::uint32_t kLargestBatch = 10;  // 2^10
constexpr double kMostTestWork = 4e7;        // values looked at by all shuffles
constexpr double kMostChance = 0.15;         // of a link that is told

}  // namespace

SampleStatistics::SampleStatistics(const TraceInfo& info, std::uint32_t slabs)
    : layers_(info.layers),
      experts_(info.experts),
      top_k_(info.top_k),
      chosen_(std::size_t{layers_} * experts_),
      fresh_(std::size_t{layers_} * kLevels),
      covered_(kLevels),
      last_seen_(experts_) {
  const std::size_t square = std::size_t{experts_} * experts_;
  const std::size_t counted = std::clamp<std::size_t>(kMostPairCounts / square, 0, layers_);
  every_ =
      counted == 0 ? layers_ + 1 : static_cast<std::uint32_t>((layers_ + counted - 1) / counted);
  const std::size_t kept = counted == 0 ? 0 : (layers_ + every_ - 1) / every_;
  pair_counts_.resize(kept * square);
  next_counts_.resize(kept * square);
  requests_per_slab_ =
      std::max<std::size_t>(kMostUnitCounts / (std::size_t{layers_} * experts_) / slabs, 2);
}

void SampleStatistics::add(std::span<const ExpertId> ids, std::span<const std::uint32_t> requests,
                           std::span<const std::uint32_t> domains) {
  const std::size_t row = std::size_t{layers_} * top_k_, tokens = ids.size() / row;
  for (std::uint32_t l = 0; l < layers_; ++l) {
    if (counts_pairs(l)) add_layer(l, ids, tokens);
    for (std::size_t t = 0; t < tokens; ++t) {
      const ExpertId* id = ids.data() + t * row + std::size_t{l} * top_k_;
      for (std::uint32_t k = 0; k < top_k_; ++k) {
        if (id[k] < experts_) ++chosen_[std::size_t{l} * experts_ + id[k]];
      }
    }
    add_coverage(l, ids, tokens);
  }
  // Batches of 2^b lie in the first whole multiple of the largest.
  const std::size_t used = tokens >> kLargestBatch > 0 ? tokens >> kLargestBatch << kLargestBatch
                                                       : std::bit_floor(tokens);
  for (std::uint32_t b = 0; b < kLevels && (std::size_t{1} << b) <= used; ++b) covered_[b] += used;
  tokens_ += tokens;

  std::size_t units = 0;
  for (std::size_t t = 0; t < tokens && !requests.empty(); ++t) {
    if (t == 0 || requests[t] != requests[t - 1]) {
      if (++units > requests_per_slab_) break;
      unit_loads_.resize(unit_loads_.size() + chosen_.size());
      unit_domain_.push_back(domains.empty() ? 0 : domains[t]);
    }
    std::uint32_t* loads = unit_loads_.data() + unit_loads_.size() - chosen_.size();
    for (std::size_t i = 0; i < row; ++i) {
      const ExpertId id = ids[t * row + i];
      if (id < experts_) ++loads[i / top_k_ * experts_ + id];
    }
  }
}

void SampleStatistics::add_layer(std::uint32_t layer, std::span<const ExpertId> ids,
                                 std::size_t tokens) {
  const std::size_t row = std::size_t{layers_} * top_k_, square = std::size_t{experts_} * experts_;
  std::uint32_t* pairs = pair_counts_.data() + layer / every_ * square;
  std::uint32_t* next = next_counts_.data() + layer / every_ * square;
  for (std::size_t t = 0; t < tokens; ++t) {
    const ExpertId* id = ids.data() + t * row + std::size_t{layer} * top_k_;
    for (std::uint32_t i = 0; i < top_k_; ++i) {
      if (id[i] >= experts_) continue;
      for (std::uint32_t j = i + 1; j < top_k_; ++j) {
        if (id[j] >= experts_) continue;
        const auto [low, high] = std::minmax(id[i], id[j]);
        ++pairs[std::size_t{low} * experts_ + high];
      }
    }
    if (layer + 1 < layers_ && id[0] < experts_ && id[top_k_] < experts_) {
      ++next[std::size_t{id[0]} * experts_ + id[top_k_]];
    }
  }
}

// An expert that was last chosen at token p is new at token t in every batch of 2^b tokens that
// holds t but not p: those with b < bit_width(p xor t).
void SampleStatistics::add_coverage(std::uint32_t layer, std::span<const ExpertId> ids,
                                    std::size_t tokens) {
  const std::size_t row = std::size_t{layers_} * top_k_;
  const std::size_t used = tokens >> kLargestBatch > 0 ? tokens >> kLargestBatch << kLargestBatch
                                                       : std::bit_floor(tokens);
  constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
  std::fill(last_seen_.begin(), last_seen_.end(), kNever);
  std::uint64_t* fresh = fresh_.data() + std::size_t{layer} * kLevels;
  for (std::uint32_t t = 0; t < used; ++t) {
    const ExpertId* id = ids.data() + t * row + std::size_t{layer} * top_k_;
    for (std::uint32_t k = 0; k < top_k_; ++k) {
      if (id[k] >= experts_) continue;
      std::uint32_t& last = last_seen_[id[k]];
      ++fresh[last == kNever ? kLevels - 1 : static_cast<std::uint32_t>(std::bit_width(last ^ t))];
      last = t;
    }
  }
}

std::vector<ExpertPair> SampleStatistics::pairs(std::uint32_t layer, std::uint32_t most) const {
  std::vector<ExpertPair> found;
  if (!counts_pairs(layer) || top_k_ < 2 || tokens_ == 0) return found;
  const std::uint32_t* counts =
      pair_counts_.data() + std::size_t{layer} / every_ * experts_ * experts_;
  const std::uint32_t* chosen = chosen_.data() + std::size_t{layer} * experts_;
  for (std::uint32_t a = 0; a < experts_; ++a) {
    for (std::uint32_t b = a + 1; b < experts_; ++b) {
      const std::uint32_t count = counts[std::size_t{a} * experts_ + b];
      if (count == 0) continue;
      const double expected =
          static_cast<double>(chosen[a]) * chosen[b] / static_cast<double>(tokens_);
      found.push_back(
          {static_cast<ExpertId>(a), static_cast<ExpertId>(b), count, count / expected});
    }
  }
  const auto more = [](const ExpertPair& x, const ExpertPair& y) {
    return x.count != y.count ? x.count > y.count : std::pair(x.a, x.b) < std::pair(y.a, y.b);
  };
  const std::size_t kept = std::min<std::size_t>(most, found.size());
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(),
                    more);
  found.resize(kept);
  return found;
}

// Cramer's V, without the sample's own part of it (Bergsma 2013, Journal of the Korean Statistical
// Society 42): of layers that have nothing to do with each other phi^2 of n tokens has a mean of
// exactly (rows - 1)(columns - 1) / (n - 1), whatever their shares. Where a token keeps its choice
// with a probability, and else draws anew, that is V.
std::optional<double> SampleStatistics::link(std::uint32_t layer) const {
  if (layer + 1 >= layers_ || !counts_pairs(layer)) return std::nullopt;
  const std::uint32_t* counts =
      next_counts_.data() + std::size_t{layer} / every_ * experts_ * experts_;
  std::vector<double> rows(experts_), columns(experts_);
  double sum = 0;
  for (std::uint32_t a = 0; a < experts_; ++a) {
    for (std::uint32_t b = 0; b < experts_; ++b) {
      const double n = counts[std::size_t{a} * experts_ + b];
      rows[a] += n;
      columns[b] += n;
      sum += n;
    }
  }
  double phi = -1, used_rows = 0, used_columns = 0;
  for (std::uint32_t a = 0; a < experts_; ++a) {
    used_rows += rows[a] > 0;
    used_columns += columns[a] > 0;
    for (std::uint32_t b = 0; b < experts_; ++b) {
      const double n = counts[std::size_t{a} * experts_ + b];
      if (n > 0) phi += n / rows[a] * (n / columns[b]);
    }
  }
  if (used_rows <= 1 || used_columns <= 1) return 0;
  const double freedom = (used_rows - 1) * (used_columns - 1);
  const double chance = freedom / (sum - 1);
  const double least = std::min(used_rows - (used_rows - 1) * (used_rows - 1) / (sum - 1),
                                used_columns - (used_columns - 1) * (used_columns - 1) / (sum - 1));
  // Of as many tokens phi^2 is off its mean by the root of 2 freedom / n^2.
  if (!(least > 1) || std::sqrt(2 * freedom) / sum / (least - 1) > kMostChance * kMostChance)
    return std::nullopt;
  return std::min(1.0, std::sqrt(std::max(0.0, phi - chance) / (least - 1)));
}

double SampleStatistics::consecutive_coverage(std::uint32_t batch_log2) const {
  if (covered_[batch_log2] == 0) return 0;
  std::uint64_t sum = 0;
  for (std::uint32_t l = 0; l < layers_; ++l) {
    for (std::uint32_t level = batch_log2 + 1; level < kLevels; ++level) {
      sum += fresh_[std::size_t{l} * kLevels + level];
    }
  }
  const double batches = static_cast<double>(covered_[batch_log2] >> batch_log2);
  return static_cast<double>(sum) / batches / layers_;
}

double SampleStatistics::distance(std::span<const std::uint32_t> domain_of,
                                  std::uint32_t domains) const {
  std::vector<LoadTable> loads(domains, LoadTable(layers_, experts_));
  std::vector<bool> used(domains);
  for (std::size_t u = 0; u < domain_of.size(); ++u) {
    used[domain_of[u]] = true;
    auto& counts = loads[domain_of[u]].counts;
    const std::uint32_t* unit = unit_loads_.data() + u * counts.size();
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += unit[i];
  }
  double sum = 0, pairs = 0;
  for (std::uint32_t a = 0; a < domains; ++a) {
    for (std::uint32_t b = 0; b < a; ++b) {
      if (!used[a] || !used[b]) continue;
      sum += mean_js_distance(loads[a], loads[b]);
      ++pairs;
    }
  }
  return pairs == 0 ? 0 : sum / pairs;
}

SampleStatistics::Test SampleStatistics::domain_test(std::uint32_t domains,
                                                     std::uint32_t most_shuffles,
                                                     std::uint64_t seed) const {
  Test test;
  if (domains < 2 || unit_domain_.size() < 2) return test;
  const double work =
      static_cast<double>(domains) * (domains - 1) / 2 * static_cast<double>(chosen_.size());
  test.shuffles =
      std::min(most_shuffles,
               std::max(19u, static_cast<std::uint32_t>(std::min(kMostTestWork / work, 1e6))));
  test.distance = distance(unit_domain_, domains);
  sim::Random random(seed, "routing/domain test");
  std::vector<std::uint32_t> dealt = unit_domain_;
  std::uint32_t as_far = 0;
  for (std::uint32_t s = 0; s < test.shuffles; ++s) {
    for (std::size_t i = dealt.size(); i > 1; --i) std::swap(dealt[i - 1], dealt[random.below(i)]);
    const double shuffled = distance(dealt, domains);
    test.shuffled += shuffled / test.shuffles;
    as_far += shuffled >= test.distance;
  }
  test.p = (1.0 + as_far) / (1.0 + test.shuffles);
  return test;
}

double SampleStatistics::request_dispersion() const {
  const std::size_t size = chosen_.size(), units = unit_domain_.size();
  if (units < 2) return 0;
  double chi_square = 0, degrees = 0;
  std::vector<double> total(size);
  for (std::size_t i = 0; i < units * size; ++i) total[i % size] += unit_loads_[i];
  for (std::uint32_t l = 0; l < layers_; ++l) {
    const std::size_t begin = std::size_t{l} * experts_;
    double sum = 0, used = 0;
    for (std::size_t e = 0; e < experts_; ++e) {
      sum += total[begin + e];
      used += total[begin + e] > 0;
    }
    if (used < 2) continue;
    for (std::size_t u = 0; u < units; ++u) {
      const std::uint32_t* loads = unit_loads_.data() + u * size + begin;
      double n = 0;
      for (std::size_t e = 0; e < experts_; ++e) n += loads[e];
      if (n == 0) continue;
      for (std::size_t e = 0; e < experts_; ++e) {
        const double expected = n * total[begin + e] / sum;
        if (expected > 0) chi_square += (loads[e] - expected) * (loads[e] - expected) / expected;
      }
    }
    degrees += static_cast<double>(units - 1) * (used - 1);
  }
  return degrees == 0 ? 0 : chi_square / degrees;
}

}  // namespace moesim::workloads
