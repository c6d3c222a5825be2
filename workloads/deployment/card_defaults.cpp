// `by_card:` of an engine's file, and the engine as it starts on some cards.
#include <algorithm>
#include <cmath>

#include "hardware/device.h"
#include "workloads/deployment/engine.h"

namespace moesim::workloads {

std::vector<CardDefaults> read_card_defaults(const sim::io::YamlNode& node) {
  constexpr std::int64_t kMostTokens = std::int64_t{1} << 24, kMostRanks = std::int64_t{1} << 20;
  std::vector<CardDefaults> lines;
  for (const sim::io::YamlNode& item : node.items()) {
    item.allow_only({"named", "memory_below", "ranks_below", "tokens", "sequences", "chunk",
                     "graphs_up_to", "leaves"});
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
    if (const auto found = item.find("leaves")) line.leaves = found->bytes();
  }
  return lines;
}

std::int64_t dp_of_engine(const Parallelism& layout) {
  // Sizes of 0 are mistakes that were told.
  const std::int64_t experts = std::max<std::int64_t>(layout.ep * layout.etp, 1);
  return (layout.tp * layout.cp) % experts == 0 ? 1 : layout.dp;
}

Engine started_on(Engine engine, const hardware::Device& card, const Parallelism& layout) {
  const std::int64_t ranks = layout.tp * dp_of_engine(layout);
  const auto line = std::ranges::find_if(engine.by_card, [&](const CardDefaults& of) {
    return card.name.find(of.named) != std::string::npos &&
           (!of.memory_below || card.memory < *of.memory_below) &&
           (!of.ranks_below || ranks < *of.ranks_below);
  });
  if (line == engine.by_card.end()) return engine;
  if (line->graphs_up_to && engine.graphs) engine.graphs->up_to = line->graphs_up_to;
  if (line->leaves && engine.memory && !engine.memory->leaves.empty()) {
    engine.memory->leaves_at_least = *line->leaves;
  }
  if (!engine.scheduler) return engine;
  if (line->tokens) engine.scheduler->tokens = line->tokens;
  if (line->sequences) engine.scheduler->sequences = line->sequences;
  if (line->chunk) engine.scheduler->chunk = line->chunk;
  return engine;
}

std::optional<double> fraction_of(const Engine& engine, const hardware::Device& card,
                                  const Parallelism& layout) {
  if (!engine.memory || engine.memory->leaves.empty()) {
    return engine.memory ? engine.memory->fraction : std::nullopt;
  }
  const std::vector<std::int64_t> graphs =
      engine.graphs ? engine.graphs->captured() : std::vector<std::int64_t>{};
  const std::int64_t dp = dp_of_engine(layout), largest = graphs.empty() ? 0 : graphs.back();
  const std::int64_t chunk =
      engine.scheduler ? engine.scheduler->chunk.value_or(engine.scheduler->tokens.value_or(0)) : 0;
  const auto number_of = [&](LeftFor per) -> std::int64_t {
    switch (per) {
      case LeftFor::Engine:
        return 1;
      case LeftFor::ChunkToken:
        return chunk;
      case LeftFor::GraphToken:
        return largest;
      case LeftFor::EachRank:
        return layout.tp * dp * layout.pp;
      case LeftFor::GraphTokenAndDp:
        return dp > 1 ? largest * dp : 0;
    }
    return 0;
  };
  double leaves = 0;
  for (const MemoryLeft& part : engine.memory->leaves) {
    if (part.above > 0 && largest <= part.above) continue;
    leaves += static_cast<double>(part.bytes.count()) *
              static_cast<double>(std::max(number_of(part.per), part.at_least));
  }
  leaves = std::max(leaves, static_cast<double>(engine.memory->leaves_at_least.count()));
  const auto memory = static_cast<double>(card.memory.count());
  constexpr double kThousandths = 1000, kLeastFraction = 1 / kThousandths;
  return std::max(std::round((memory - leaves) / memory * kThousandths) / kThousandths,
                  kLeastFraction);
}

}  // namespace moesim::workloads
