#include "workloads/training/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/units_text.h"
#include "workloads/memory/kept_for_weights.h"
#include "workloads/training/capacity.h"
#include "workloads/training/pipeline_step.h"

namespace moesim::workloads {
namespace {

TrainingLoad load_of(const TrainingQuestion& q, const Deployment& d) {
  TrainingLoad load;
  load.micro_batch = q.micro_batch;
  load.sequence = q.sequence;
  load.microbatches = q.micro_batches(d.layout.dp);
  load.sharding = q.sharding;
  load.sharding_group = q.sharding_group.value_or(0);
  load.recompute = q.recompute;
  load.weight_bytes = q.parameter_bytes;
  load.gradient_bytes = q.accumulate_bytes;
  load.optimizer_bytes = q.master_bytes + 2 * q.moment_bytes;
  load.communication = {.multicast = d.tokens,
                        .gpus_per_node = d.cluster.gpus_per_node,
                        .dispatch_tokens = q.micro_batch * q.sequence / (d.layout.tp * d.layout.cp),
                        .communication_sms = q.exchange_sms};
  // Experts in 8 bits keep their rows as their products read them, with a scale a block of 128.
  if (hardware::bytes_per_element(d.formats.experts) < 2) load.row_bytes = 1 + 4.0 / 128;
  return load;
}

// Twice the replicas of every stage, where a pipeline goes both ways.
Parallelism replicated(Parallelism layout, const PipelineSchedule& schedule) {
  if (schedule.route == StageRoute::TwoWay) layout.dp *= 2;
  return layout;
}

// Rows that experts have of a capacity that is filled up, over the selections.
double filled_share(const Deployment& d, const TrainingQuestion& q) {
  const MoeFfn* moe = d.model.largest_moe();
  if (!q.is_filled() || moe == nullptr) return 1;
  const std::int64_t own = q.micro_batch * q.sequence / (d.layout.tp * d.layout.cp);
  return static_cast<double>(filled_tokens(own, *moe, *q.capacity)) / static_cast<double>(own);
}

// Rows of the fullest rank over what each had were experts equally busy and none dropped, over a
// chunk's layers and the draws that are taken; 0: it has none.
double imbalance_of(std::uint32_t stage, const std::map<std::uint32_t, std::int64_t>& taken,
                    ChunkTable& chunks) {
  std::vector<std::int64_t> rows(chunks.ranks());
  std::int64_t selections = 0, dropped = 0;
  for (const auto& [draw, count] : taken) {
    const PlayedChunk& chunk = chunks.of({PassKind::Forward, stage, draw});
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r] += chunk.rows[r];
    selections += chunk.selections, dropped += chunk.dropped;
  }
  const auto sum = static_cast<double>(std::accumulate(rows.begin(), rows.end(), std::int64_t{0}));
  if (sum == 0) return 0;
  const double uneven =
      static_cast<double>(*std::ranges::max_element(rows)) * static_cast<double>(rows.size()) / sum;
  if (dropped == 0) return uneven;
  return uneven * static_cast<double>(selections - dropped) / static_cast<double>(selections);
}

// Of a pipeline rank: of its fullest chunk.
double imbalance_of(const Deployment& d, const TrainingQuestion& q,
                    const PipelineSchedule& schedule, std::uint32_t rank, ChunkTable& chunks) {
  const auto taken = draws_taken(d, q, chunks.draws());
  double most = 0;
  for (std::uint32_t c = 0; c < schedule.chunks; ++c)
    most = std::max(most, imbalance_of(schedule.stage({rank, c}), taken, chunks));
  return (most > 0 ? most : 1) * filled_share(d, q);
}

void add(const RankShare& chunk, RankShare& rank) {
  rank.layers.insert(rank.layers.end(), chunk.layers.begin(), chunk.layers.end());
  rank.embedding = rank.embedding || chunk.embedding;
  rank.loss = rank.loss || chunk.loss;
  rank.predictions += chunk.predictions;
}

// What rank r has, but for what its experts take.
RankShare chunks_of(const TrainingQuestion& q, const PipelineSchedule& schedule, std::uint32_t r) {
  RankShare rank;
  for (std::uint32_t c = 0; c < schedule.chunks; ++c)
    add(share_of(q.stages[schedule.stage({r, c})]), rank);
  return rank;
}

TrainingPlan plan_of(const Deployment& d, const TrainingQuestion& q,
                     const PipelineSchedule& schedule, const std::vector<RankShare>& shares) {
  TrainingLoad load = load_of(q, d);
  if (schedule.route == StageRoute::TwoWay) load.sharding_group *= 2;  // as many of all replicas
  return plan_training(d.model, replicated(d.layout, schedule), shares, load, d.cluster.device);
}

// Bytes that a pass of a chunk keeps: from forward until its inputs' gradients are there, and from
// then on until its weights' are, where those are put off.
struct KeptByPass {
  std::int64_t backward = 0, weights = 0;
};

std::vector<KeptByPass> kept_by_pass(const Deployment& d, const TrainingQuestion& q,
                                     const PipelineSchedule& schedule, std::uint32_t rank,
                                     double imbalance) {
  std::vector<KeptByPass> kept;
  const TrainingLoad load = load_of(q, d);
  for (std::uint32_t c = 0; c < schedule.chunks; ++c) {
    std::vector<RankShare> one{share_of(q.stages[schedule.stage({rank, c})])};
    one.front().imbalance = imbalance;
    kept.push_back({plan_training(d.model, d.layout, one, load, d.cluster.device).gpu().activations,
                    std::llround(bytes_for_weights(d.model, d.layout, one.front(), load))});
  }
  return kept;
}

// Bytes that a rank keeps, from an instant on.
using Staircase = std::vector<std::pair<sim::Time, std::int64_t>>;

Staircase staircase(const StepTime& step, std::uint32_t rank, const std::vector<KeptByPass>& kept) {
  Staircase steps;
  std::int64_t now = 0;
  const auto change = [&](sim::Time at, std::int64_t by) { steps.emplace_back(at, now += by); };
  for (const PlayedAction& a : step.pipeline.ranks[rank]) {
    const Pass& pass = a.action.pass;
    const KeptByPass& mine = kept[pass.chunk];
    if (pass.kind == PassKind::Forward) change(a.start, mine.backward);
    if (a.action.beside) change(a.end, -kept[a.action.beside->chunk].backward);
    if (pass.kind == PassKind::Backward) change(a.end, -mine.backward);
    if (pass.kind == PassKind::BackwardInput) change(a.end, mine.weights - mine.backward);
    if (pass.kind == PassKind::BackwardWeight) change(a.end, -mine.weights);
  }
  return steps;
}

std::int64_t most_of(const Staircase& steps) {
  std::int64_t most = 0;
  for (const auto& [at, bytes] : steps) most = std::max(most, bytes);
  return most;
}

bool puts_weights_off(const StepTime& step, std::uint32_t rank) {
  return std::ranges::any_of(step.pipeline.ranks[rank], [](const PlayedAction& a) {
    return a.action.pass.kind == PassKind::BackwardWeight;
  });
}

}  // namespace

TrainingPlan memory_of(const Deployment& d, const TrainingQuestion& q,
                       const PipelineSchedule& schedule, const StepTime& step, ChunkTable& chunks) {
  std::vector<RankShare> shares;
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    RankShare& rank = shares.emplace_back(chunks_of(q, schedule, r));
    rank.imbalance = imbalance_of(d, q, schedule, r, chunks);
    rank.in_flight = static_cast<double>(step.pipeline.most_in_flight(r, false)) / schedule.chunks;
    if (!puts_weights_off(step, r)) continue;
    // What is kept for weights' gradients counts by its part of what a whole pass keeps.
    const std::vector<KeptByPass> kept = kept_by_pass(d, q, schedule, r, rank.imbalance);
    double all = 0;
    for (const KeptByPass& chunk : kept) all += static_cast<double>(chunk.backward);
    if (all > 0) rank.in_flight = static_cast<double>(most_of(staircase(step, r, kept))) / all;
  }
  return plan_of(d, q, schedule, shares);
}

TrainingPlan memory_of(const Deployment& d, const TrainingQuestion& q,
                       const PipelineSchedule& schedule, const std::vector<double>& in_flight) {
  std::vector<RankShare> shares;
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    shares.push_back(chunks_of(q, schedule, r));
    shares.back().in_flight = in_flight[r];
    // What is dropped, only routing tells.
    shares.back().imbalance = q.capacity && !q.fills_capacity ? 0 : filled_share(d, q);
  }
  return plan_of(d, q, schedule, shares);
}

std::string advice_of(const Deployment& d, TrainingQuestion q, const PipelineSchedule& schedule,
                      const StepTime& step, ChunkTable& chunks, const TrainingPlan& plan) {
  const TrainingMemory& gpu = plan.gpu();
  std::string text = fmt::format(
      "pipeline rank {} needs {} of {}: {} of weights, gradients and optimizer, {} of activations, "
      "{} beside them; ",
      plan.fullest, sim::to_text(sim::Bytes(gpu.peak())), sim::to_text(sim::Bytes(plan.capacity)),
      sim::to_text(sim::Bytes(gpu.weights + gpu.gradients + gpu.optimizer)),
      sim::to_text(sim::Bytes(gpu.activations)),
      sim::to_text(sim::Bytes(gpu.temporaries + gpu.buffers + gpu.context)));
  struct Try {
    const char* what;
    Recompute recompute;
    Sharding sharding;
  };
  const bool latent = std::ranges::any_of(d.model.kinds, [](const LayerKind& kind) {
    return std::holds_alternative<MlaAttention>(kind.mixer);
  });
  const bool moe = d.model.is_moe();
  const Recompute light{.mla_up_proj = latent, .moe_act = moe, .layernorm = true};
  const std::string named = fmt::format("training.recompute: [{}{}layernorm]",
                                        latent ? "mla_up_proj, " : "", moe ? "moe_act, " : "");
  const Sharding least = std::max(q.sharding, Sharding::Optimizer);
  for (const Try& change :
       {Try{"training.sharding: optimizer", q.recompute, least}, Try{named.c_str(), light, least},
        Try{"training.recompute: [full]", {.full = true}, least}}) {
    // Woven passes cannot be recomputed whole.
    if (change.recompute.full && q.overlap.expert) continue;
    q.recompute = change.recompute;
    q.sharding = change.sharding;
    if (memory_of(d, q, schedule, step, chunks).fits()) return text + change.what + " would do";
  }
  return text +
         "no recomputation would do: more pipeline, tensor or expert ranks, or "
         "training.sharding: weights";
}

std::vector<std::pair<sim::Time, std::int64_t>> kept_over_time(
    const Deployment& d, const TrainingQuestion& q, const PipelineSchedule& schedule,
    const StepTime& step, ChunkTable& chunks, std::uint32_t rank) {
  const double imbalance = imbalance_of(d, q, schedule, rank, chunks);
  return staircase(step, rank, kept_by_pass(d, q, schedule, rank, imbalance));
}

}  // namespace moesim::workloads
