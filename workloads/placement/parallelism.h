// Which GPU holds which part of the model: the parallel layout, and the groups of ranks it makes.
//
//   GPUs = tp x cp x dp x pp = etp x ep x edp x pp
//
// Ranks are numbered along an order of dimensions, the first fastest, as Megatron-Core folds them
// ("tp-cp-ep-dp-pp"): the dense part of the model is laid out along tp, cp, dp, pp, the experts
// along etp, ep, edp, pp, over the same ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/exchange.h"

namespace moesim::workloads {

using sim::Rank;

inline constexpr std::int64_t kMostGpus = 1 << 20;  // that can be simulated

struct Parallelism {
  std::int64_t tp = 1;   // tensor parallel: attention and dense layers, by heads and columns
  std::int64_t pp = 1;   // pipeline parallel: stages of layers
  std::int64_t dp = 1;   // data parallel: replicas of the dense part, with requests of their own
  std::int64_t ep = 1;   // expert parallel: groups that share out the experts
  std::int64_t etp = 1;  // tensor parallel inside an expert
  std::int64_t cp = 1;   // context parallel: parts of a sequence
  std::string order = "tp-cp-ep-dp-pp";

  std::int64_t gpus() const { return tp * cp * dp * pp; }
  // Replicas of the whole set of experts. REQUIRES: check_layout finds nothing
  std::int64_t edp() const { return tp * cp * dp / (etp * ep); }
};

// What is wrong with the layout, one sentence with what would do; empty where nothing is.
std::string check_layout(const Parallelism& parallelism);

// Where a rank stands along each dimension.
struct DenseCoordinate {
  std::int64_t tp = 0, cp = 0, dp = 0, pp = 0;
};
struct ExpertCoordinate {
  std::int64_t etp = 0, ep = 0, edp = 0, pp = 0;
};

// The ranks of a layout. All groups ascend along their dimension.
class RankLayout {
 public:
  // Throws ConfigError where check_layout has something to say.
  explicit RankLayout(const Parallelism& parallelism);

  Rank ranks() const { return static_cast<Rank>(dense_.size()); }
  const Parallelism& parallelism() const { return parallelism_; }
  const DenseCoordinate& dense(Rank rank) const { return dense_[rank]; }
  const ExpertCoordinate& expert(Rank rank) const { return expert_[rank]; }
  Rank rank_of(const DenseCoordinate& at) const;
  Rank rank_of(const ExpertCoordinate& at) const;

  // The ranks that differ from `rank` in that dimension alone, itself included.
  std::vector<Rank> tp_group(Rank rank) const;
  std::vector<Rank> cp_group(Rank rank) const;
  std::vector<Rank> dp_group(Rank rank) const;
  std::vector<Rank> ep_group(Rank rank) const;
  std::vector<Rank> etp_group(Rank rank) const;

 private:
  Parallelism parallelism_;
  std::vector<DenseCoordinate> dense_;    // of each rank
  std::vector<ExpertCoordinate> expert_;  // of each rank
  std::vector<Rank> by_dense_;            // of each coordinate, tp fastest, then cp, dp, pp
  std::vector<Rank> by_expert_;           // etp fastest, then ep, edp, pp
};

}  // namespace moesim::workloads
