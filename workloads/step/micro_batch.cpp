#include "workloads/step/micro_batch.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

// A dp rank's sequences in one step.
Batch whole_batch(const StepChoice& step) {
  if (step.phase == StepPhase::Decode) {
    return {.main = {.phase = StepPhase::Decode,
                     .sequences = step.batch_per_rank,
                     .query_length = 1,
                     .kv_length = step.context}};
  }
  // A prompt longer than a pass is read in chunks; the last chunk sees all of it.
  const std::int64_t query = std::min(step.prompt, step.tokens_per_rank);
  return {.main = {.phase = StepPhase::Prefill,
                   .sequences = step.tokens_per_rank / query,
                   .query_length = query,
                   .kv_length = step.prompt,
                   .encoder_length = step.prompt}};
}

Batch batch_part(Batch whole, std::int64_t parts, std::int64_t index) {
  whole.main.sequences = part_of(whole.main.sequences, parts, index);
  whole.prompts.sequences = part_of(whole.prompts.sequences, parts, index);
  return whole;
}

TokenSources sources_of(const ExpertGroup& group, const hardware::Cluster& cluster) {
  TokenSources sources;
  sources.begin = group.begin;
  for (const Rank rank : group.ranks) {
    sources.node.push_back(static_cast<std::uint16_t>(cluster.node_of(rank)));
  }
  // Nodes are counted from the group's first.
  const std::uint16_t base = *std::min_element(sources.node.begin(), sources.node.end());
  for (std::uint16_t& node : sources.node) node = static_cast<std::uint16_t>(node - base);
  return sources;
}

}  // namespace

std::uint32_t MicroBatch::routed_tokens() const {
  std::uint32_t sum = 0;
  for (const ExpertGroup& group : groups) sum += group.tokens();
  return sum;
}

std::vector<std::vector<MicroBatch>> split_step(const Scenario& scenario,
                                                const RankLayout& layout) {
  const std::int64_t micro_batches = scenario.parallelism.pp;
  const std::int64_t halves = scenario.overlap.two_batch ? 2 : 1;
  const Batch whole = whole_batch(scenario.step);
  std::vector<std::vector<MicroBatch>> step;
  std::uint32_t first_token = 0;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    step.emplace_back();
    for (std::int64_t h = 0; h < halves; ++h) {
      MicroBatch part;
      part.shape = batch_part(batch_part(whole, micro_batches, m), halves, h);
      part.groups = expert_groups(layout, part.shape.tokens());
      for (const ExpertGroup& group : part.groups) {
        part.sources.push_back(sources_of(group, scenario.cluster));
      }
      part.first_token = first_token;
      part.suffix = halves == 1 ? '\0' : static_cast<char>('a' + h);
      first_token += part.routed_tokens();
      step.back().push_back(std::move(part));
    }
  }
  return step;
}

std::int64_t routed_tokens(const std::vector<std::vector<MicroBatch>>& step) {
  std::int64_t sum = 0;
  for (const auto& halves : step) {
    for (const MicroBatch& part : halves) sum += part.routed_tokens();
  }
  return sum;
}

}  // namespace moesim::workloads
