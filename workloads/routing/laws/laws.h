// Routing from a law: how skewed the experts' loads are, without a trace.
//
// A law gives each layer's experts a popularity; every token then chooses top_k different experts
// so that each expert's expected load is in proportion to its popularity (at most one selection a
// token). Which expert is the popular one is drawn per layer and stays so over the steps; with a
// drift, each step multiplies every popularity by exp(drift x normal), drawn anew: what a placement
// learned from other steps is then only nearly right.
// Formulas and sources: README.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/routing/laws/choice_sampler.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

enum class Law {
  Balanced,   // no randomness: token t takes experts t + j x ceil(E / K), so loads differ by one
  Uniform,    // every set of top_k experts is equally likely
  Zipf,       // the n-th most popular of a layer: n^-skew
  PowerLaw,   // popularity itself is drawn with density x^-skew (the benchmark tables' generator)
  LogNormal,  // popularity is exp(skew x normal)
};

// In the order of Law.
inline constexpr std::array<std::string_view, 5> kLawNames{"balanced", "uniform", "zipf",
                                                           "power_law", "log_normal"};

// By its name in a scenario. Throws ConfigError with the names there are.
Law law_from_name(std::string_view name);
std::string_view name_of(Law law);
// What stands for the skew where none is given: 1 (zipf), 1.01 (power_law), 0.5 (log_normal).
double default_skew(Law law);

struct LawSpec {
  Law law = Law::Uniform;
  double skew = 1;   // zipf, power_law, log_normal
  double drift = 0;  // of every law but balanced
  std::uint32_t layers = 1;
  std::uint32_t experts = 1;
  std::uint32_t top_k = 1;
  std::uint32_t tokens_per_step = 1;
  // Group-limited routing (DeepSeek-V3: 8 and 4): a token's experts lie in `groups_per_token` of
  // `groups` equal groups, as many in each. 1 and 1: no limit.
  std::uint32_t groups = 1;
  std::uint32_t groups_per_token = 1;
  std::uint64_t seed = 1;
};

// Throws ConfigError where a field is out of range.
void check(const LawSpec& spec);

// The experts' popularity in a layer, unscaled, [experts]; in a step, with its drift.
// REQUIRES: check(spec) passes
std::vector<double> popularity(const LawSpec& spec, std::uint32_t layer);
std::vector<double> popularity(const LawSpec& spec, std::uint32_t layer, std::uint32_t step);

// The popularity that a share u of the experts stays below under the power law: the inverse of the
// cumulated density x^-skew on [1, 0.8 x tokens], or [0.01, 2] where there are few selections.
double power_law_quantile(double u, double skew, std::uint32_t experts, std::uint32_t top_k,
                          std::uint32_t tokens);

class LawSource final : public RoutingSource {
 public:
  // Throws ConfigError as check() does.
  explicit LawSource(const LawSpec& spec);

  std::uint32_t layers() const override { return spec_.layers; }
  std::uint32_t experts() const override { return spec_.experts; }
  std::uint32_t top_k() const override { return spec_.top_k; }
  std::uint32_t tokens_per_step() const override { return spec_.tokens_per_step; }
  void route(const RoutingRange& range, LayerRouting& out) override;
  std::string description() const override;

 private:
  const ChoiceSampler& sampler(std::uint32_t layer, std::uint32_t step);

  struct Made {
    std::unique_ptr<ChoiceSampler> sampler;
    std::uint32_t step = 0;  // that it is of, where popularities drift
  };
  LawSpec spec_;
  std::uint64_t key_;
  std::vector<Made> samplers_;  // [layers], made when first asked for
};

// The balanced choice of token `token` of `tokens`: `top_k` ids.
void balanced_choice(std::uint32_t token, std::uint32_t tokens, std::uint32_t experts,
                     std::uint32_t top_k, ExpertId* out);
// The same of a law's step, within its groups: the token's groups are its balanced choice among
// groups, and what comes to a group takes the group's experts in turn. After as many tokens as
// there are groups, and any multiple of them, the loads of all experts differ by at most one.
// REQUIRES: check(spec) passes
void balanced_choice(std::uint32_t token, const LawSpec& spec, ExpertId* out);

}  // namespace moesim::workloads
