#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "tools/study/axis.h"
#include "workloads/routing/statistics/expert_cache.h"

namespace moesim::tools {
namespace {

using workloads::CacheHits;
using workloads::CachePolicy;
using workloads::ExpertId;
using workloads::kCachePolicyNames;
using workloads::RoutingTrace;

// "8,16" or "8..128*2": places of a layer, ascending.
std::vector<std::size_t> read_slots(const std::string& text, const workloads::TraceInfo& info) {
  std::vector<std::size_t> slots;
  for (const std::string& value : read_values(text, "--slots")) {
    const bool digits = !value.empty() && value.size() < 9 &&
                        std::ranges::all_of(value, [](unsigned char c) { return std::isdigit(c); });
    const std::size_t count = digits ? std::stoul(value) : 0;
    if (count < info.top_k || count > info.experts) {
      throw sim::ConfigError(
          fmt::format("--slots: expected places from {}, the experts of a token, to {}, those of a "
                      "layer, such as {}..{}*2, not \"{}\"",
                      info.top_k, info.experts, info.top_k, info.experts, value));
    }
    slots.push_back(count);
  }
  std::ranges::sort(slots);
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

// What each layer's tokens chose, [layer][token x top_k].
std::vector<std::vector<ExpertId>> by_layer(const RoutingTrace& trace, std::uint64_t tokens) {
  const auto& info = trace.info();
  std::vector<std::vector<ExpertId>> layers(info.layers);
  for (auto& layer : layers) layer.reserve(tokens * info.top_k);
  std::vector<ExpertId> slab;
  const std::uint64_t step = std::max<std::uint64_t>(1, trace.chunk_tokens());
  for (std::uint64_t first = 0; first < tokens; first += step) {
    const std::uint64_t count = std::min(step, tokens - first);
    trace.read_ids(first, count, slab);
    for (std::uint64_t i = 0; i < count * info.layers; ++i) {
      const auto begin = slab.begin() + static_cast<std::ptrdiff_t>(i * info.top_k);
      auto& layer = layers[i % info.layers];
      layer.insert(layer.end(), begin, begin + info.top_k);
    }
  }
  return layers;
}

// Of one size of the caches: [policy][layer].
using Rates = std::vector<std::vector<double>>;

double mean(const std::vector<double>& rates) {
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return rates.empty() ? 0 : sum / static_cast<double>(rates.size());
}

std::string to_text(const RoutingTrace& trace, std::uint64_t tokens, std::uint64_t ahead,
                    const std::vector<std::size_t>& slots, const std::vector<Rates>& rates) {
  const auto& info = trace.info();
  std::string text = fmt::format(
      "{}: {} tokens, one after another, {} of {} experts each; hit rate of a layer's cache, mean "
      "of {} layers (the worst one)\n\n  {:>6} {:>6}",
      info.file, tokens, info.top_k, info.experts, info.layers, "places", "of all");
  for (std::size_t p = 0; p < kCachePolicyNames.size(); ++p) {
    const bool looks = p == static_cast<std::size_t>(CachePolicy::LookAhead);
    text += fmt::format(" {:>16}", looks ? fmt::format("{} {}", kCachePolicyNames[p], ahead)
                                         : std::string(kCachePolicyNames[p]));
  }
  text += "\n";
  for (std::size_t s = 0; s < slots.size(); ++s) {
    text += fmt::format("  {:>6} {:>5.1f}%", slots[s],
                        100 * static_cast<double>(slots[s]) / static_cast<double>(info.experts));
    for (const auto& layers : rates[s]) {
      text += fmt::format(" {:>16}", fmt::format("{:.1f} ({:.1f}) %", 100 * mean(layers),
                                                 100 * *std::ranges::min_element(layers)));
    }
    text += "\n";
  }
  return text;
}

sim::io::Json to_json(const RoutingTrace& trace, std::uint64_t tokens, std::uint64_t ahead,
                      const std::vector<std::size_t>& slots, const std::vector<Rates>& rates) {
  sim::io::Json json{{"schema_version", 1},
                     {"file", trace.info().file},
                     {"tokens", tokens},
                     {"look_ahead_tokens", ahead},
                     {"layer_ids", trace.info().layer_ids}};
  json["caches"] = sim::io::Json::array();
  for (std::size_t s = 0; s < slots.size(); ++s) {
    sim::io::Json cache{{"slots", slots[s]}};
    for (std::size_t p = 0; p < kCachePolicyNames.size(); ++p) {
      cache[std::string(kCachePolicyNames[p])] = {{"hit_rate", mean(rates[s][p])},
                                                  {"by_layer", rates[s][p]}};
    }
    json["caches"].push_back(std::move(cache));
  }
  return json;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const RoutingTrace trace = RoutingTrace::open(trace_file(arguments.text("TRACE")));
  const auto& info = trace.info();
  if (!info.per_token) {
    throw sim::ConfigError(
        fmt::format("{}: has counts of whole steps: which experts follow which is not in it; "
                    "record a trace with the experts of each token",
                    info.file));
  }
  const auto slots = read_slots(arguments.text("slots"), info);
  const auto ahead = static_cast<std::uint64_t>(arguments.integer("ahead", 0, 1'000'000'000));
  std::uint64_t tokens = info.tokens;
  if (arguments.has("tokens")) {
    tokens =
        std::min(tokens, static_cast<std::uint64_t>(arguments.integer("tokens", 1, 1'000'000'000)));
  }
  const auto layers = by_layer(trace, tokens);
  std::vector<Rates> rates;
  for (const std::size_t places : slots) {
    Rates& of_size = rates.emplace_back(kCachePolicyNames.size());
    for (std::size_t p = 0; p < kCachePolicyNames.size(); ++p) {
      for (const auto& ids : layers) {
        of_size[p].push_back(workloads::cache_hits(ids, info.top_k, info.experts, places,
                                                   static_cast<CachePolicy>(p), ahead)
                                 .rate());
      }
    }
  }
  console.out << (arguments.json() ? sim::io::to_text(to_json(trace, tokens, ahead, slots, rates))
                                   : to_text(trace, tokens, ahead, slots, rates));
  return sim::ExitCode::Ok;
}

}  // namespace

Command trace_cache_command() {
  return {
      .name = "trace cache",
      .summary = "how often a cache of some experts of each layer has those that a token wants",
      .description =
          "Each layer has a cache of its own; tokens come one after another, as they were "
          "recorded, "
          "and want their experts together. Rules: lru, lfu, static (the most wanted of the whole "
          "recording are there from the start), look_ahead (the next tokens' experts are known, as "
          "to a draft) and belady (all are: no rule that fetches has more hits). Exact; no time is "
          "reckoned.",
      .options = {{.name = "TRACE", .help = "a routing trace", .required = true, .is_file = true},
                  {.name = "--slots",
                   .value = "VALUES",
                   .help = "places of a layer's cache: 8,16 or 8..128*2",
                   .required = true},
                  {.name = "--ahead",
                   .value = "N",
                   .help = "tokens that look_ahead knows",
                   .fallback = "4"},
                  {.name = "--tokens", .value = "N", .help = "only so many of the first"},
                  format_option()},
      .examples = {"moesim trace cache deepseek-like --slots 16..128*2",
                   "moesim trace cache trace.h5 --slots 8,16 --ahead 8 --format json"},
      .run = run};
}

}  // namespace moesim::tools
