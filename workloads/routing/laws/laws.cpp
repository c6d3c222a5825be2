#include "workloads/routing/laws/laws.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "sim/check.h"
#include "sim/error.h"
#include "sim/random.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/law_sets.h"

namespace moesim::workloads {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw sim::ConfigError("routing: " + message);
}

// Inverse of the cumulated density x^-alpha on [low, high].
double truncated_pareto(double u, double alpha, double low, double high) {
  if (std::abs(alpha - 1) < 1e-9) return low * std::pow(high / low, u);
  const double power = 1 - alpha;
  const double a = std::pow(low, power), b = std::pow(high, power);
  return std::pow((b - a) * u + a, 1 / power);
}

std::vector<std::uint32_t> shuffled(std::uint32_t n, sim::Random& random) {
  std::vector<std::uint32_t> order(n);
  for (std::uint32_t i = 0; i < n; ++i) order[i] = i;
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

// Floyd's set of top_k different numbers (Bentley and Floyd 1987), each set equally likely.
void uniform_choice(std::uint64_t key, std::uint32_t experts, std::uint32_t top_k, ExpertId* out) {
  std::uint64_t bits = 0;
  for (std::uint32_t k = 0; k < top_k; ++k) {
    bits = (k & 1) == 0 ? counter_bits(key, k) : bits >> 32;
    const std::uint32_t most = experts - top_k + k;
    auto drawn = static_cast<ExpertId>(scaled(static_cast<std::uint32_t>(bits), most + 1));
    for (std::uint32_t i = 0; i < k; ++i) {
      if (out[i] == drawn) {
        drawn = static_cast<ExpertId>(most);
        break;
      }
    }
    out[k] = drawn;
  }
}

std::uint64_t stream_of(std::uint64_t seed) {
  return sim::Random(seed, "routing/law").bits();
}
// Of the random orders that a layer's experts are laid in.
std::uint64_t order_key(std::uint64_t stream, std::uint32_t layer) {
  return counter_bits(stream ^ 0x6f72646572, layer);  // "order"
}
std::uint64_t tokens_key(std::uint64_t stream, std::uint32_t step, std::uint32_t layer) {
  return counter_bits(counter_bits(stream, step), layer);
}
// Whether every set is as likely, of all that there are.
bool has_all_sets(const LawSpec& spec) {
  return spec.law == Law::Uniform && spec.groups_per_token == spec.groups && spec.drift == 0;
}

}  // namespace

Law law_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kLawNames.size(); ++i) {
    if (kLawNames[i] == name) return static_cast<Law>(i);
  }
  throw sim::ConfigError(fmt::format("routing: expected a law, one of {}, not \"{}\"",
                                     fmt::join(kLawNames, ", "), name));
}

std::string_view name_of(Law law) {
  return kLawNames[static_cast<std::size_t>(law)];
}

double default_skew(Law law) {
  if (law == Law::LogNormal) return 0.5;
  return law == Law::PowerLaw ? 1.01 : 1;
}

void check(const LawSpec& spec) {
  require(spec.layers > 0, "a law needs at least one MoE layer");
  require(spec.experts > 0 && spec.experts <= kMostExperts,
          fmt::format("expected 1 to {} experts, not {}", kMostExperts, spec.experts));
  require(spec.top_k > 0 && spec.top_k <= spec.experts,
          fmt::format("top_k is {}, but a token chooses 1 to {} of {} experts", spec.top_k,
                      spec.experts, spec.experts));
  require(std::isfinite(spec.skew) && spec.skew >= 0 && spec.skew <= 10,
          fmt::format("skew: expected a number from 0 to 10, not {}", spec.skew));
  require(std::isfinite(spec.drift) && spec.drift >= 0 && spec.drift <= 3 &&
              (spec.drift == 0 || spec.law != Law::Balanced),
          fmt::format("drift: expected a number from 0 to 3 of a law that is not balanced, not {}",
                      spec.drift));
  require(
      spec.groups > 0 && spec.groups_per_token > 0 && spec.groups_per_token <= spec.groups,
      fmt::format("a token's experts lie in {} of {} groups", spec.groups_per_token, spec.groups));
  if (spec.groups_per_token == spec.groups) return;
  require(
      spec.experts % spec.groups == 0 && spec.top_k % spec.groups_per_token == 0 &&
          spec.top_k / spec.groups_per_token <= spec.experts / spec.groups,
      fmt::format("{} experts in {} groups, top_k {} over {} of them: the numbers do not divide",
                  spec.experts, spec.groups, spec.top_k, spec.groups_per_token));
}

double power_law_quantile(double u, double skew, std::uint32_t experts, std::uint32_t top_k,
                          std::uint32_t tokens) {
  const bool many = std::uint64_t{tokens} * top_k > experts;
  const double high = many ? std::max(1.0, 0.8 * tokens) : 2;
  return truncated_pareto(u, skew, many ? 1 : 0.01, high);
}

std::vector<double> popularity(const LawSpec& spec, std::uint32_t layer) {
  sim::Random random(spec.seed, fmt::format("routing/{}/layer {}", name_of(spec.law), layer));
  std::vector<double> weights(spec.experts, 1.0);
  switch (spec.law) {
    case Law::Balanced:
    case Law::Uniform:
      break;
    case Law::Zipf: {
      const auto order = shuffled(spec.experts, random);
      for (std::uint32_t n = 0; n < spec.experts; ++n) {
        weights[order[n]] = std::pow(n + 1.0, -spec.skew);
      }
      break;
    }
    case Law::PowerLaw:
      for (double& weight : weights) {
        weight = power_law_quantile(random.uniform(), spec.skew, spec.experts, spec.top_k,
                                    spec.tokens_per_step);
      }
      break;
    case Law::LogNormal:
      for (double& weight : weights) weight = std::exp(spec.skew * random.normal());
      break;
  }
  return weights;
}

std::vector<double> popularity(const LawSpec& spec, std::uint32_t layer, std::uint32_t step) {
  std::vector<double> weights = popularity(spec, layer);
  if (spec.drift == 0) return weights;
  sim::Random random(spec.seed, fmt::format("routing/drift/layer {} step {}", layer, step));
  for (double& weight : weights) weight *= std::exp(spec.drift * random.normal());
  return weights;
}

namespace {

// What token `token` of `tokens` chooses as its j-th of `chosen` among so many.
std::uint32_t balanced_one(std::uint32_t token, std::uint32_t tokens, std::uint32_t among,
                           std::uint32_t chosen, std::uint32_t j) {
  const std::uint32_t stride = (among + chosen - 1) / chosen;
  const bool wraps = (chosen - 1) * std::uint64_t{stride} >= among;  // would choose one twice
  const std::uint64_t start =
      tokens < stride ? std::uint64_t{token} * stride / tokens : std::uint64_t{token};
  const std::uint64_t offset =
      wraps ? std::uint64_t{j} * among / chosen : std::uint64_t{j} * stride;
  return static_cast<std::uint32_t>((start + offset) % among);
}

}  // namespace

void balanced_choice(std::uint32_t token, std::uint32_t tokens, std::uint32_t experts,
                     std::uint32_t top_k, ExpertId* out) {
  for (std::uint32_t j = 0; j < top_k; ++j)
    out[j] = static_cast<ExpertId>(balanced_one(token, tokens, experts, top_k, j));
}

void balanced_choice(std::uint32_t token, const LawSpec& spec, ExpertId* out) {
  if (spec.groups_per_token == spec.groups)
    return balanced_choice(token, spec.tokens_per_step, spec.experts, spec.top_k, out);
  const std::uint32_t each = spec.experts / spec.groups;
  const std::uint32_t in_group = spec.top_k / spec.groups_per_token;
  // Of as many tokens as there are groups one has a group as its j-th, for every j.
  const std::uint64_t turn = std::uint64_t{token / spec.groups} * spec.groups_per_token;
  for (std::uint32_t j = 0; j < spec.groups_per_token; ++j) {
    const std::uint32_t group =
        balanced_one(token, spec.tokens_per_step, spec.groups, spec.groups_per_token, j);
    for (std::uint32_t i = 0; i < in_group; ++i) {
      const std::uint64_t place = ((turn + j) * in_group + i) % each;
      *out++ = static_cast<ExpertId>(std::uint64_t{group} * each + place);
    }
  }
}

std::optional<ChoiceSets> law_sets(const LawSpec& law, std::uint32_t layer, std::uint32_t step) {
  if (law.law == Law::Balanced || has_all_sets(law)) return std::nullopt;
  return choice_sets(popularity(law, layer, step), law.top_k, {law.groups, law.groups_per_token},
                     order_key(stream_of(law.seed), layer));
}

std::uint64_t law_key(const LawSpec& law, std::uint32_t step, std::uint32_t layer) {
  return tokens_key(stream_of(law.seed), step, layer);
}

LawSource::LawSource(const LawSpec& spec)
    : spec_(spec), key_(stream_of(spec.seed)), samplers_(spec.layers) {
  check(spec);
}

const ChoiceSampler& LawSource::sampler(std::uint32_t layer, std::uint32_t step) {
  Made& made = samplers_[layer];
  if (!made.sampler || (spec_.drift > 0 && made.step != step)) {
    made.sampler =
        std::make_unique<ChoiceSampler>(popularity(spec_, layer, step), spec_.top_k, spec_.groups,
                                        spec_.groups_per_token, order_key(key_, layer));
    made.step = step;
  }
  return *made.sampler;
}

void LawSource::route(const RoutingRange& range, LayerRouting& out) {
  SIM_CHECK(range.layer < spec_.layers, "the layer is one of the law's");
  SIM_CHECK(range.first + range.count <= spec_.tokens_per_step, "the tokens are the step's");
  out.tokens = range.count;
  out.top_k = spec_.top_k;
  out.experts = spec_.experts;
  out.ids.resize(std::size_t{range.count} * spec_.top_k);
  const std::uint64_t key = tokens_key(key_, range.step, range.layer);
  ExpertId* ids = out.ids.data();
  const std::uint32_t end = range.first + range.count;
  if (spec_.law == Law::Balanced) {
    for (std::uint32_t t = range.first; t < end; ++t, ids += spec_.top_k) {
      balanced_choice(t, spec_, ids);
    }
    return;
  }
  if (has_all_sets(spec_)) {
    for (std::uint32_t t = range.first; t < end; ++t, ids += spec_.top_k) {
      uniform_choice(counter_bits(key, t), spec_.experts, spec_.top_k, ids);
    }
    return;
  }
  const ChoiceSampler& made = sampler(range.layer, range.step);
  for (std::uint32_t t = range.first; t < end; ++t, ids += spec_.top_k) {
    made.draw(counter_bits(key, t), ids);
  }
}

std::string LawSource::description() const {
  std::string text = fmt::format("law {}", name_of(spec_.law));
  if (spec_.law != Law::Balanced && spec_.law != Law::Uniform) {
    text += fmt::format(", skew {}", spec_.skew);
  }
  if (spec_.drift > 0) text += fmt::format(", drift {}", spec_.drift);
  if (spec_.groups_per_token < spec_.groups) {
    text += fmt::format(", {} of {} groups a token", spec_.groups_per_token, spec_.groups);
  }
  return text;
}

}  // namespace moesim::workloads
