#include "workloads/step/micro_batch.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

TokenSources sources_of(const ExpertGroup& group, const hardware::Cluster& cluster) {
  TokenSources sources;
  sources.begin = group.begin;
  // Nodes are counted from the group's first.
  std::uint32_t base = cluster.node_of(group.ranks.front());
  for (const Rank rank : group.ranks) base = std::min(base, cluster.node_of(rank));
  for (const Rank rank : group.ranks) {
    sources.node.push_back(static_cast<std::uint16_t>(cluster.node_of(rank) - base));
  }
  return sources;
}

void group_tokens(MicroBatch& part, const Deployment& deployment, const RankLayout& layout) {
  std::vector<std::int64_t> tokens;
  for (const RankBatch& rank : part.shape.ranks) tokens.push_back(tokens_of(rank));
  part.groups =
      expert_groups(layout, tokens, experts_in_tensor_group(deployment.engine.composition));
  for (const ExpertGroup& group : part.groups) {
    part.sources.push_back(sources_of(group, deployment.cluster));
  }
}

}  // namespace

std::vector<Batch> cut(const Batch& batch, std::int64_t parts) {
  std::vector<Batch> cuts(static_cast<std::size_t>(parts), batch);
  for (std::size_t r = 0; r < batch.ranks.size(); ++r) {
    std::int64_t next = 0;  // gets the first sequence that is left over
    for (std::size_t s = 0; s < batch.ranks[r].size(); ++s) {
      const std::int64_t all = batch.ranks[r][s].sequences;
      for (std::int64_t i = 0; i < parts; ++i) {
        Batch& one = cuts[static_cast<std::size_t>((next + i) % parts)];
        one.ranks[r][s].sequences = part_of(all, parts, i);
      }
      next = (next + all) % parts;
    }
  }
  return cuts;
}

std::uint32_t MicroBatch::routed_tokens() const {
  std::uint32_t sum = 0;
  for (const ExpertGroup& group : groups) sum += group.tokens();
  return sum;
}

StepParts split_step(const Batch& batch, const Deployment& deployment, const RankLayout& layout) {
  const std::int64_t micro_batches = deployment.layout.pp;
  const std::int64_t halves = deployment.overlap.two_batch ? 2 : 1;
  StepParts step;
  std::uint32_t first_token = 0;
  for (const Batch& micro_batch : cut(batch, micro_batches)) {
    step.emplace_back();
    char suffix = halves == 1 ? '\0' : 'a';
    for (Batch& half : cut(micro_batch, halves)) {
      MicroBatch part;
      part.shape = std::move(half);
      group_tokens(part, deployment, layout);
      part.first_token = first_token;
      part.suffix = suffix++;
      first_token += part.routed_tokens();
      step.back().push_back(std::move(part));
    }
  }
  return step;
}

MicroBatch draft_of(const MicroBatch& batch, const Deployment& deployment,
                    const RankLayout& layout) {
  MicroBatch draft{.first_token = batch.first_token, .suffix = batch.suffix};
  for (const RankBatch& rank : batch.shape.ranks) {
    RankBatch& drafting = draft.shape.ranks.emplace_back();
    for (BatchShape shape : rank) {
      if (shape.phase != StepPhase::Decode) continue;
      shape.query_length = 1;
      drafting.push_back(shape);
    }
  }
  group_tokens(draft, deployment, layout);
  return draft;
}

std::int64_t routed_tokens(const StepParts& step) {
  std::int64_t sum = 0;
  for (const auto& halves : step) {
    for (const MicroBatch& part : halves) sum += part.routed_tokens();
  }
  return sum;
}

}  // namespace moesim::workloads
