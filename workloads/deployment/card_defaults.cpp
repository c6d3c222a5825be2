// `by_card:` of an engine's file, and the engine as it starts on some cards.
#include <algorithm>

#include "hardware/device.h"
#include "workloads/deployment/engine.h"

namespace moesim::workloads {

std::vector<CardDefaults> read_card_defaults(const sim::io::YamlNode& node) {
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 24, kMostRanks = std::int64_t{1} << 20;
  std::vector<CardDefaults> lines;
  for (const sim::io::YamlNode& item : node.items()) {
    item.allow_only(
        {"named", "memory_below", "ranks_below", "tokens", "sequences", "chunk", "graphs_up_to"});
    const auto take = [&](const char* key, std::int64_t most, std::optional<std::int64_t>& into) {
      if (const auto found = item.find(key)) into = found->integer(1, most);
    };
    CardDefaults& line = lines.emplace_back();
    if (const auto found = item.find("named")) line.named = found->text();
    if (const auto found = item.find("memory_below")) line.memory_below = found->bytes();
    take("ranks_below", kMostRanks, line.ranks_below);
    take("tokens", kMostTokens, line.tokens);
    take("sequences", kMostTokens, line.sequences);
    take("chunk", kMostTokens, line.chunk);
    take("graphs_up_to", kMostTokens, line.graphs_up_to);
  }
  return lines;
}

Engine started_on(Engine engine, const hardware::Device& card, std::int64_t ranks) {
  const auto line = std::ranges::find_if(engine.by_card, [&](const CardDefaults& of) {
    return card.name.find(of.named) != std::string::npos &&
           (!of.memory_below || card.memory < *of.memory_below) &&
           (!of.ranks_below || ranks < *of.ranks_below);
  });
  if (line == engine.by_card.end()) return engine;
  if (line->graphs_up_to && engine.graphs) engine.graphs->up_to = line->graphs_up_to;
  if (!engine.scheduler) return engine;
  if (line->tokens) engine.scheduler->tokens = line->tokens;
  if (line->sequences) engine.scheduler->sequences = line->sequences;
  if (line->chunk) engine.scheduler->chunk = line->chunk;
  return engine;
}

}  // namespace moesim::workloads
