// Routing from measured loads: tokens are drawn so that every expert's expected share is the one
// that was measured. Which experts go together is not known from loads, and is drawn at random.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/routing/laws/choice_sampler.h"
#include "workloads/routing/laws/choice_sets.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

// Selections of each expert, in each layer, in each of some windows of time.
struct ExpertLoads {
  std::uint32_t windows = 0, layers = 0, experts = 0;
  std::vector<double> values;  // [windows x layers x experts]

  std::span<const double> layer(std::uint32_t window, std::uint32_t index) const {
    return {values.data() + (std::size_t{window} * layers + index) * experts, experts};
  }
  std::span<double> layer(std::uint32_t window, std::uint32_t index) {
    return {values.data() + (std::size_t{window} * layers + index) * experts, experts};
  }
};

// The same shape of load over another number of experts: the sorted loads are read off at the
// middles of `experts` equal parts, and dealt to the experts in an order drawn from `seed`.
std::vector<double> rescaled_load(std::span<const double> load, std::uint32_t experts,
                                  std::uint64_t seed);

// How tokens are drawn from loads.
struct LoadDraw {
  std::uint32_t top_k = 1;
  std::uint32_t tokens_per_step = 1;
  std::uint64_t seed = 1;
  GroupLimit limit = {};  // of measured loads none: what groups do is in them
};

class LoadSource final : public RoutingSource, public IndependentTokens {
 public:
  // Step s takes window s mod windows. Layers without top_k experts that have a load are filled up
  // with a thousandth of the mean load, so that a token can choose.
  LoadSource(ExpertLoads loads, const LoadDraw& draw, std::string description);

  std::uint32_t layers() const override { return loads_.layers; }
  std::uint32_t experts() const override { return loads_.experts; }
  std::uint32_t top_k() const override { return draw_.top_k; }
  std::uint32_t tokens_per_step() const override { return draw_.tokens_per_step; }
  void route(const RoutingRange& range, LayerRouting& out) override;
  std::string description() const override { return description_; }

  std::optional<ChoiceSets> sets(std::uint32_t step, std::uint32_t layer) const override;
  bool steady() const override { return loads_.windows == 1; }
  std::uint64_t key(std::uint32_t step, std::uint32_t layer) const override;

 private:
  // What experts are chosen by, and the random orders that they are laid in.
  std::vector<double> weights(std::uint32_t window, std::uint32_t layer) const;
  std::uint64_t order_key(std::uint32_t layer) const;

  ExpertLoads loads_;
  LoadDraw draw_;
  std::uint64_t key_;
  std::string description_;
  std::uint32_t window_ = 0;             // of the samplers
  std::vector<ChoiceSampler> samplers_;  // [layers]; empty before the first step
};

}  // namespace moesim::workloads
