#include "workloads/step/micro_batch.h"

#include <algorithm>

namespace moesim::workloads {
namespace {

// A dp rank's sequences in one step.
Batch whole_batch(const StepChoice& step, std::int64_t prompts) {
  if (step.phase == StepPhase::Decode) {
    Batch batch{.main = {.phase = StepPhase::Decode,
                         .sequences = step.batch_per_rank,
                         .query_length = 1 + step.speculation.draft,
                         .kv_length = step.context}};
    if (prompts == 0) return batch;
    // The chunks of a prompt see 1, 2, … chunks of keys: half of it and of a chunk on the mean.
    batch.prompts = {.phase = StepPhase::Prefill,
                     .sequences = prompts,
                     .query_length = step.refill.chunk,
                     .kv_length = (step.refill.prompt + step.refill.chunk) / 2,
                     .encoder_length = step.refill.prompt};
    return batch;
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

void group_tokens(MicroBatch& part, const Scenario& scenario, const RankLayout& layout) {
  part.groups = expert_groups(layout, part.shape.tokens());
  for (const ExpertGroup& group : part.groups) {
    part.sources.push_back(sources_of(group, scenario.cluster));
  }
}

}  // namespace

std::uint32_t MicroBatch::routed_tokens() const {
  std::uint32_t sum = 0;
  for (const ExpertGroup& group : groups) sum += group.tokens();
  return sum;
}

std::vector<StepKind> step_kinds(const StepChoice& step) {
  if (step.phase == StepPhase::Prefill || step.refill.prompt == 0) return {{}};
  const Refill& refill = step.refill;
  const double ended = static_cast<double>(step.batch_per_rank) * step.speculation.accepted /
                       static_cast<double>(refill.output);
  const std::int64_t chunks = (refill.prompt + refill.chunk - 1) / refill.chunk;
  const double each = ended * static_cast<double>(chunks);
  const auto fewer = static_cast<std::int64_t>(each);
  const double more = each - static_cast<double>(fewer);
  std::vector<StepKind> kinds;
  if (more < 1) kinds.push_back({.prompts = fewer, .weight = 1 - more});
  if (more > 0) kinds.push_back({.prompts = fewer + 1, .weight = more});
  return kinds;
}

std::vector<std::vector<MicroBatch>> split_step(const Scenario& scenario, const RankLayout& layout,
                                                std::int64_t prompts) {
  const std::int64_t micro_batches = scenario.parallelism.pp;
  const std::int64_t halves = scenario.overlap.two_batch ? 2 : 1;
  const Batch whole = whole_batch(scenario.step, prompts);
  std::vector<std::vector<MicroBatch>> step;
  std::uint32_t first_token = 0;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    step.emplace_back();
    for (std::int64_t h = 0; h < halves; ++h) {
      MicroBatch part;
      part.shape = batch_part(batch_part(whole, micro_batches, m), halves, h);
      group_tokens(part, scenario, layout);
      part.first_token = first_token;
      part.suffix = halves == 1 ? '\0' : static_cast<char>('a' + h);
      first_token += part.routed_tokens();
      step.back().push_back(std::move(part));
    }
  }
  return step;
}

MicroBatch draft_of(const MicroBatch& batch, const Scenario& scenario, const RankLayout& layout) {
  MicroBatch draft;
  draft.shape.main = batch.shape.main;
  draft.shape.main.query_length = 1;
  draft.first_token = batch.first_token;
  draft.suffix = batch.suffix;
  group_tokens(draft, scenario, layout);
  return draft;
}

std::int64_t routed_tokens(const std::vector<std::vector<MicroBatch>>& step) {
  std::int64_t sum = 0;
  for (const auto& halves : step) {
    for (const MicroBatch& part : halves) sum += part.routed_tokens();
  }
  return sum;
}

}  // namespace moesim::workloads
