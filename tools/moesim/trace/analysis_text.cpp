// The analysis of a trace as JSON and as text.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/trace/missing.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::TraceAnalysis;

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string or_dash(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "-";
}

Json layers_json(const TraceAnalysis& analysis) {
  Json layers = Json::array();
  for (const auto& layer : analysis.layers) {
    Json pairs = Json::array();
    for (const auto& pair : layer.pairs) {
      pairs.push_back({{"a", pair.a}, {"b", pair.b}, {"count", pair.count}, {"lift", pair.lift}});
    }
    layers.push_back({{"layer", layer.layer_id},
                      {"max_over_mean", layer.max_over_mean},
                      {"normalised_entropy", layer.normalised_entropy},
                      {"gini", layer.gini},
                      {"dead_experts", layer.dead_experts},
                      {"starved_experts", layer.starved_experts},
                      {"repeat_rate", optional_json(layer.repeat_rate)},
                      {"repeat_first_choice", optional_json(layer.repeat_first)},
                      {"chance_rate", layer.chance_rate},
                      {"link_to_next", optional_json(layer.link)},
                      {"top_pairs", pairs}});
  }
  return layers;
}

// Those that the file has room for: in counts, those that were counted.
workloads::TakenSelections selections_of(const TraceAnalysis& analysis) {
  std::uint64_t recorded = 0;
  for (const std::uint64_t count : analysis.loads.counts) recorded += count;
  return {static_cast<std::int64_t>(recorded + analysis.missing),
          static_cast<std::int64_t>(analysis.missing)};
}

struct Overall {
  double max_over_mean = 0, entropy = 0, gini = 0;
  std::uint64_t dead = 0, starved = 0;
};

Overall overall(const TraceAnalysis& analysis) {
  Overall sum;
  const auto n = static_cast<double>(analysis.layers.size());
  for (const auto& layer : analysis.layers) {
    sum.max_over_mean += layer.max_over_mean / n;
    sum.entropy += layer.normalised_entropy / n;
    sum.gini += layer.gini / n;
    sum.dead += layer.dead_experts;
    sum.starved += layer.starved_experts;
  }
  return sum;
}

}  // namespace

std::string warnings(const TraceAnalysis& analysis) {
  const auto& info = analysis.info;
  std::string text;
  if (analysis.missing > 0) {
    text += fmt::format("{}: {} are missing\n", info.file,
                        workloads::missing_share(selections_of(analysis)));
  }
  if (info.ambiguous_expert) text += fmt::format("{}: {}\n", info.file, ambiguity(info));
  return text;
}

Json to_json(const TraceAnalysis& analysis) {
  const auto& info = analysis.info;
  const Overall mean = overall(analysis);
  Json domains = Json::array(), windows = Json::array(), coverage = Json::array();
  for (const auto& domain : analysis.domains) {
    domains.push_back({{"name", domain.name},
                       {"tokens", domain.tokens},
                       {"max_over_mean", domain.max_over_mean}});
  }
  for (const auto& window : analysis.windows) {
    windows.push_back({{"first", window.first},
                       {"tokens", window.tokens},
                       {"max_over_mean", window.max_over_mean},
                       {"distance_from_first", window.from_first},
                       {"distance_from_previous", window.from_previous}});
  }
  for (const auto& point : analysis.coverage) {
    Json entry = {{"batch", point.batch}, {"distinct_experts_random", point.random}};
    if (point.consecutive > 0) entry["distinct_experts_consecutive"] = point.consecutive;
    coverage.push_back(entry);
  }
  return {{"file", info.file},
          {"model", info.model},
          {"source", info.source},
          {"form", info.per_token ? "per_token" : "counts"},
          {"tokens", analysis.tokens},
          {"steps", info.steps},
          {"layers", info.layers},
          {"num_experts", info.experts},
          {"top_k", info.top_k},
          {"expert_space", info.physical ? "physical" : "logical"},
          {"missing", analysis.missing},
          {"selections", selections_of(analysis).all},
          {"max_over_mean", mean.max_over_mean},
          {"normalised_entropy", mean.entropy},
          {"gini", mean.gini},
          {"dead_experts", mean.dead},
          {"starved_experts", mean.starved},
          {"repeat_rate", optional_json(analysis.repeat_rate)},
          {"repeat_first_choice", optional_json(analysis.repeat_first)},
          {"repeat_any", optional_json(analysis.repeat_any)},
          {"repeat_pairs", analysis.repeat_pairs},
          {"chance_rate", analysis.chance_rate},
          {"domain_distance",
           {{"js", analysis.domain_distance},
            {"js_shuffled", analysis.shuffled_distance},
            {"p_value", analysis.domain_p},
            {"shuffles", analysis.shuffles}}},
          {"request_dispersion",
           analysis.request_dispersion > 0 ? Json(analysis.request_dispersion) : Json(nullptr)},
          {"sampled_tokens", analysis.sampled_tokens},
          {"per_layer", layers_json(analysis)},
          {"domains", domains},
          {"windows", windows},
          {"coverage", coverage}};
}

std::string to_text(const TraceAnalysis& analysis) {
  const auto& info = analysis.info;
  const Overall mean = overall(analysis);
  std::string text =
      fmt::format("{}: {}", info.file, info.model.empty() ? "model not given" : info.model);
  text += fmt::format("\n  {} tokens, {} MoE layers, top-{} of {} experts{}{}\n", analysis.tokens,
                      info.layers, info.top_k, info.experts,
                      info.per_token ? "" : fmt::format(", counts of {} steps", info.steps),
                      info.physical ? ", ids are of physical experts" : "");
  if (analysis.missing > 0) {
    text += fmt::format("  {} are missing: what follows is of the others\n",
                        workloads::missing_share(selections_of(analysis)));
  }
  if (info.ambiguous_expert) text += fmt::format("  {}\n", ambiguity(info));
  text +=
      fmt::format("\n  {:>5}  {:>8}  {:>7}  {:>5}  {:>4}  {:>7}  {:>6}  {:>6}  {:>5}\n", "layer",
                  "max/mean", "entropy", "gini", "dead", "starved", "repeat", "chance", "link");
  for (const auto& layer : analysis.layers) {
    text +=
        fmt::format("  {:>5}  {:>8.2f}  {:>7.3f}  {:>5.3f}  {:>4}  {:>7}  {:>6}  {:>6.3f}  {:>5}\n",
                    layer.layer_id, layer.max_over_mean, layer.normalised_entropy, layer.gini,
                    layer.dead_experts, layer.starved_experts, or_dash(layer.repeat_rate),
                    layer.chance_rate, or_dash(layer.link));
  }
  text += fmt::format("  {:>5}  {:>8.2f}  {:>7.3f}  {:>5.3f}  {:>4}  {:>7}  {:>6}  {:>6.3f}\n",
                      "all", mean.max_over_mean, mean.entropy, mean.gini, mean.dead, mean.starved,
                      or_dash(analysis.repeat_rate), analysis.chance_rate);
  if (analysis.repeat_rate) {
    text += fmt::format(
        "\n  A token shares {:.1f} % of its experts with the one before it in its request, {:.1f} "
        "% with a random one.\n",
        100 * *analysis.repeat_rate, 100 * analysis.chance_rate);
  }
  if (!analysis.domains.empty()) {
    text += fmt::format("\n  {:<20}  {:>10}  {:>8}\n", "domain", "tokens", "max/mean");
    for (const auto& domain : analysis.domains) {
      text += fmt::format("  {:<20}  {:>10}  {:>8.2f}\n", domain.name, domain.tokens,
                          domain.max_over_mean);
    }
    text += fmt::format("  Two domains' loads lie {:.3f} apart (Jensen-Shannon, 0 to 1)",
                        analysis.domain_distance);
    if (analysis.shuffles > 0) {
      text += fmt::format(
          ", {:.3f} with the domains dealt at random: p {} {:.2g}", analysis.shuffled_distance,
          analysis.domain_p * (1 + analysis.shuffles) < 1.5 ? "<=" : "=", analysis.domain_p);
    }
    text += ".\n";
  }
  if (analysis.request_dispersion > 0) {
    text +=
        fmt::format("  Requests' loads vary {:.1f} times as much as independent tokens would.\n",
                    analysis.request_dispersion);
  }
  if (analysis.windows.size() > 1) {
    text += fmt::format("\n  {:>12}  {:>10}  {:>8}  {:>10}  {:>13}\n",
                        info.per_token ? "from token" : "from step", "tokens", "max/mean",
                        "from first", "from previous");
    for (const auto& window : analysis.windows) {
      text +=
          fmt::format("  {:>12}  {:>10}  {:>8.2f}  {:>10.3f}  {:>13.3f}\n", window.first,
                      window.tokens, window.max_over_mean, window.from_first, window.from_previous);
    }
  }
  text +=
      fmt::format("\n  {:>6}  {:>24}  {:>16}\n", "batch", "experts, random tokens", "consecutive");
  for (const auto& point : analysis.coverage) {
    text += fmt::format("  {:>6}  {:>24.1f}  {:>16}\n", point.batch, point.random,
                        point.consecutive > 0 ? fmt::format("{:.1f}", point.consecutive) : "-");
  }
  return text;
}

}  // namespace moesim::tools
