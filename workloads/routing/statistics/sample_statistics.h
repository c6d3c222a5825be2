// What is counted on a sample of a trace: pairs of experts, links between layers, coverage, and the
// loads of single requests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

class SampleStatistics {
 public:
  SampleStatistics(const TraceInfo& info, std::uint32_t slabs);

  // A slab of consecutive tokens; `requests` and `domains` may be empty.
  void add(std::span<const ExpertId> ids, std::span<const std::uint32_t> requests,
           std::span<const std::uint32_t> domains);

  std::uint64_t tokens() const { return tokens_; }
  // The `most` pairs of a layer with the highest counts; empty where the layer was not counted.
  std::vector<ExpertPair> pairs(std::uint32_t layer, std::uint32_t most) const;
  // Mutual information of the first choices in this layer and the next over the smaller of their
  // entropies, corrected for the size of the sample; nothing for the last layer and for those that
  // were not counted.
  std::optional<double> link(std::uint32_t layer) const;
  // Distinct experts of a batch of consecutive tokens, mean over layers; 0: no such batch.
  double consecutive_coverage(std::uint32_t batch_log2) const;

  // A test by permutation: how far domains lie apart, against the same with the requests' domains
  // dealt at random.
  struct Test {
    double distance = 0, shuffled = 0, p = 1;
    std::uint32_t shuffles = 0;
  };
  Test domain_test(std::uint32_t domains, std::uint32_t most_shuffles, std::uint64_t seed) const;
  // See TraceAnalysis::request_dispersion.
  double request_dispersion() const;

 private:
  void add_layer(std::uint32_t layer, std::span<const ExpertId> ids, std::size_t tokens);
  void add_coverage(std::uint32_t layer, std::span<const ExpertId> ids, std::size_t tokens);
  double distance(std::span<const std::uint32_t> domain_of, std::uint32_t domains) const;

  static constexpr std::uint32_t kLevels = 33;
  // Pairs and links are counted in each every_-th layer; in none where there are thousands of
  // experts.
  bool counts_pairs(std::uint32_t layer) const {
    return !pair_counts_.empty() && layer % every_ == 0;
  }

  std::uint32_t layers_, experts_, top_k_;
  std::uint32_t every_;
  std::uint64_t tokens_ = 0;
  std::vector<std::uint32_t> pair_counts_;  // [counted layers x experts x experts], a < b
  std::vector<std::uint32_t> chosen_;       // [layers x experts]
  std::vector<std::uint32_t> next_counts_;  // [counted layers x experts x experts] first choices
  std::vector<std::uint64_t> fresh_;        // [layers x kLevels]: see add_coverage
  std::vector<std::uint64_t> covered_;      // [kLevels]: tokens in whole batches of that size
  std::vector<std::uint32_t> last_seen_;    // [experts]
  std::size_t requests_per_slab_;
  std::vector<std::uint32_t> unit_loads_;  // [units x layers x experts], a unit a request
  std::vector<std::uint32_t> unit_domain_;
};

}  // namespace moesim::workloads
