#include "workloads/routing/trace/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/error.h"
#include "sim/random.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/choice_sampler.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {
namespace {

constexpr std::uint64_t kTokensAtOnce = 4096;

void require(bool condition, const std::string& message) {
  if (!condition) throw sim::ConfigError("trace: " + message);
}

void require_share(const char* name, double value) {
  require(value >= 0 && value <= 1, fmt::format("{}: expected 0 to 1, not {}", name, value));
}

// In proportion, with a sum of 1.
std::vector<double> normalised(std::vector<double> weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

bool chance(std::uint64_t bits, double probability) {
  return static_cast<double>(bits >> 11) * 0x1p-53 < probability;
}

}  // namespace

void check(const SyntheticSpec& spec) {
  check(spec.law);
  require(spec.law.law != Law::Balanced || (spec.repeat == 0 && spec.domain_share == 0),
          "the balanced law has no chance in it: repeat and domain share must be 0");
  require(spec.requests > 0 && spec.tokens_per_request > 0, "expected at least one token");
  require(spec.domains > 0 && spec.domains <= 65'535,
          fmt::format("domains: expected 1 to 65535, not {}", spec.domains));
  require_share("domain share", spec.domain_share);
  require_share("repeat", spec.repeat);
  require_share("layer link", spec.layer_link);
}

void write_synthetic_trace(const std::filesystem::path& file, const SyntheticSpec& spec) {
  check(spec);
  LawSpec law = spec.law;
  law.tokens_per_step = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(spec.requests * spec.tokens_per_request, 1u << 30));

  // [domains x layers]. All have their experts in the same orders, so that a draw that two layers
  // share falls on neighbours.
  std::vector<ChoiceSampler> samplers;
  const std::uint64_t key = sim::Random(law.seed, "routing/synthetic").bits();
  for (std::uint32_t d = 0; d < spec.domains; ++d) {
    LawSpec own = law;
    own.seed = counter_bits(key, d);
    for (std::uint32_t l = 0; l < law.layers; ++l) {
      auto weights = normalised(popularity(law, l));
      if (spec.domain_share > 0) {
        const auto mine = normalised(popularity(own, l));
        for (std::size_t e = 0; e < weights.size(); ++e) {
          weights[e] = (1 - spec.domain_share) * weights[e] + spec.domain_share * mine[e];
        }
      }
      samplers.emplace_back(weights, law.top_k, law.groups, law.groups_per_token,
                            key ^ 0x6f72646572);
    }
  }

  TraceHeader header{
      .layers = law.layers, .experts = law.experts, .top_k = law.top_k, .model = spec.model};
  header.source = fmt::format(
      "synthetic: law {}, skew {}, {} domains with a share of {}, repeat {}, layer link {}, seed "
      "{}",
      name_of(law.law), law.skew, spec.domains, spec.domain_share, spec.repeat, spec.layer_link,
      law.seed);
  for (std::uint32_t l = 0; l < law.layers; ++l) header.layer_ids.push_back(spec.first_layer + l);
  for (std::uint32_t d = 0; d < spec.domains && spec.domains > 1; ++d) {
    header.domains.push_back(fmt::format("domain-{}", d));
  }

  TraceWriter writer(file, header);
  const std::size_t row = std::size_t{law.layers} * law.top_k;
  std::vector<ExpertId> ids;
  std::vector<std::uint32_t> requests, positions, domains;
  const auto flush = [&] {
    writer.append({.ids = ids,
                   .requests = requests,
                   .positions = positions,
                   .domains = spec.domains > 1 ? std::span<const std::uint32_t>(domains)
                                               : std::span<const std::uint32_t>()});
    ids.clear();
    requests.clear();
    positions.clear();
    domains.clear();
  };
  std::vector<ExpertId> last(row);
  for (std::uint64_t r = 0; r < spec.requests; ++r) {
    const auto domain = static_cast<std::uint32_t>(r % spec.domains);
    for (std::uint32_t p = 0; p < spec.tokens_per_request; ++p) {
      const std::uint64_t token = r * spec.tokens_per_request + p;
      const std::uint64_t mine = counter_bits(key, 0x100000000 + token);
      std::uint64_t bits = 0;
      for (std::uint32_t l = 0; l < law.layers; ++l) {
        const bool link = l > 0 && chance(counter_bits(mine, 3ull * l + 1), spec.layer_link);
        if (!link) bits = counter_bits(mine, 3ull * l);
        ExpertId* out = last.data() + std::size_t{l} * law.top_k;
        if (p > 0 && chance(counter_bits(mine, 3ull * l + 2), spec.repeat)) continue;
        if (law.law == Law::Balanced) {
          balanced_choice(static_cast<std::uint32_t>(token % law.tokens_per_step), law, out);
        } else {
          samplers[std::size_t{domain} * law.layers + l].draw(bits, out);
        }
      }
      ids.insert(ids.end(), last.begin(), last.end());
      requests.push_back(static_cast<std::uint32_t>(r));
      positions.push_back(p);
      domains.push_back(domain);
      if (requests.size() == kTokensAtOnce) flush();
    }
  }
  if (!requests.empty()) flush();
  writer.close();
}

}  // namespace moesim::workloads
