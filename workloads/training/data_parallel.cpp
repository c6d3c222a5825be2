#include "workloads/training/data_parallel.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "workloads/step/rank_ops.h"
#include "workloads/training/stage_speeds.h"

namespace moesim::workloads {
namespace {

sim::Bytes bytes_of(double bytes) {
  return sim::Bytes(std::llround(bytes));
}

// Megatron-Core's buckets: parameters.
constexpr double kBucket = 40e6, kBucketPerRank = 1e6;
constexpr std::int64_t kFp32 = 4;
// What the host does for a parameter tensor at the end of a step: its gradient to the part that is
// the optimizer's, its share of norm and clip, of Adam's list, and the part back. Sharded weights'
// gradients are reduced to where the optimizer reads them (Megatron-LM, optimizer/
// distrib_optimizer.py, _copy_model_grads_to_main_grads has nothing to do then).
constexpr std::int64_t kTensorOperations = 5, kShardedOperations = 4;

// The embedding's table: to look tokens up, as the head where it is tied, and before a prediction
// layer, which looks up the next token's (Megatron-LM, finalize_model_grads.py).
bool holds_table(const StageContent& content, const ModelSpec& model) {
  return content.embedding || (content.loss && model.tied_embeddings) || content.predictions > 0;
}

}  // namespace

RankShare share_of(const StageContent& content) {
  return {.layers = {{content.first_layer, content.first_layer + content.layers}},
          .embedding = content.embedding,
          .loss = content.loss,
          .predictions = content.predictions};
}

DataParallel::DataParallel(const Deployment& deployment, const TrainingQuestion& question,
                           const PipelineSchedule& schedule, const hardware::Kernels& kernels)
    : deployment_(deployment),
      question_(question),
      schedule_(schedule),
      kernels_(kernels),
      layout_(deployment.layout),
      communication_(deployment.cluster, deployment.all_reduce, deployment.tokens,
                     deployment.formats.dispatch, deployment.formats.combine) {
  const Parallelism& p = deployment.layout;
  const double bucket = question.bucket
                            ? static_cast<double>(*question.bucket)
                            : std::max(kBucket, kBucketPerRank * static_cast<double>(p.dp));
  holders_ = table_holders();
  for (std::uint32_t rank = 0; rank < schedule.size(); ++rank) {
    const std::vector<Rank> dense = replicas(rank, false), experts = replicas(rank, true);
    std::vector<ChunkSync>& chunks = chunks_.emplace_back();
    for (std::uint32_t chunk = 0; chunk < schedule.chunks; ++chunk) {
      ChunkSync sync;
      sync.parameters = parameters_of(deployment.model, p,
                                      share_of(question.stages[schedule.stage({rank, chunk})]));
      const auto both = [&](double bytes, bool gather) {
        return collective(dense, sync.parameters.dense, bytes, gather) +
               collective(experts, sync.parameters.expert, bytes, gather);
      };
      sync.reduce = both(question.reduce_bytes, false);
      if (question.sharding != Sharding::None) sync.gather = both(question.parameter_bytes, true);
      const double all = sync.parameters.dense + sync.parameters.expert;
      sync.pieces = std::max<std::int64_t>(1, std::llround(std::ceil(all / bucket)));
      // Gradients: one bucket a chunk, but for the first chunk of the first rank.
      if (question.overlap.gradients && rank == 0 && chunk == 0) sync.buckets = sync.pieces;
      chunks.push_back(sync);
    }
    finalise_.push_back(finalise_of(rank));
    speeds_.push_back(slowest_of(deployment, rank));
  }
  std::vector<Rank> all(layout_.ranks());
  std::iota(all.begin(), all.end(), Rank{0});
  if (all.size() > 1) barrier_ = communication_.all_reduce(all, sim::Bytes(kFp32)).alone;
}

std::vector<Rank> DataParallel::replicas(std::uint32_t rank, bool experts) const {
  const Parallelism& p = deployment_.layout;
  std::vector<Rank> list;
  const auto add = [&](std::int64_t pp) {
    if (experts) {
      for (std::int64_t e = 0; e < p.edp(); ++e)
        list.push_back(layout_.rank_of(ExpertCoordinate{.edp = e, .pp = pp}));
      return;
    }
    for (std::int64_t dp = 0; dp < p.dp; ++dp)
      for (std::int64_t cp = 0; cp < p.cp; ++cp)
        list.push_back(layout_.rank_of(DenseCoordinate{.cp = cp, .dp = dp, .pp = pp}));
  };
  add(rank);
  if (schedule_.route == StageRoute::TwoWay) add(schedule_.size() - 1 - rank);
  std::sort(list.begin(), list.end());
  return list;
}

std::vector<std::uint32_t> DataParallel::table_holders() const {
  std::vector<std::uint32_t> list;
  std::vector<bool> uses(schedule_.size(), true);  // whether a rank has every stage that does
  for (std::uint32_t s = 0; s < schedule_.stages(); ++s) {
    if (!holds_table(question_.stages[s], deployment_.model)) continue;
    for (std::uint32_t r = 0; r < schedule_.size(); ++r) {
      bool has = false;
      for (std::uint32_t c = 0; c < schedule_.chunks; ++c) {
        if (schedule_.stage({r, c}) != s) continue;
        has = true;
        // Of two copies of the pipeline the first one's.
        const bool first = schedule_.route != StageRoute::TwoWay || c == 0;
        if (first && std::ranges::find(list, r) == list.end()) list.push_back(r);
      }
      uses[r] = uses[r] && has;
    }
  }
  std::ranges::sort(list);
  // DualPipe's ends have both: their sum is their own.
  if (std::ranges::all_of(list, [&](std::uint32_t r) { return uses[r]; })) return {};
  return list;
}

// Of `parameters` numbers of so many bytes.
sim::Duration DataParallel::collective(const std::vector<Rank>& all, double parameters,
                                       double bytes, bool gather) const {
  if (all.size() == 1 || parameters == 0) return {};
  const sim::Bytes whole = bytes_of(parameters * bytes);
  if (question_.sharding == Sharding::None)
    return gather ? sim::Duration{} : communication_.all_reduce(all, whole).alone;
  // Of experts, the same part of their replicas.
  const Parallelism& p = deployment_.layout;
  std::size_t group = all.size();
  if (question_.sharding_group && *question_.sharding_group < p.dp * p.cp)
    group = std::max<std::size_t>(1, group * static_cast<std::size_t>(*question_.sharding_group) /
                                         static_cast<std::size_t>(p.dp * p.cp));
  const std::vector<Rank> inside(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(group));
  sim::Duration time{};
  if (group > 1)
    time = gather ? communication_.all_gather(inside, whole).alone
                  : communication_.reduce_scatter(inside, whole).alone;
  if (gather || group == all.size()) return time;
  std::vector<Rank> between;
  for (std::size_t i = 0; i < all.size(); i += group) between.push_back(all[i]);
  return time + communication_
                    .all_reduce(between, bytes_of(parameters * bytes / static_cast<double>(group)))
                    .alone;
}

sim::Duration DataParallel::pass(std::uint32_t rank, double bytes) const {
  if (bytes == 0) return {};
  return time_at(speeds_[rank], kernels_.elementwise({.bytes = bytes_of(bytes)}).time);
}

double DataParallel::sharded(std::uint32_t rank) const {
  const Parallelism& p = deployment_.layout;
  double dense = 1, expert = 1;
  if (question_.sharding != Sharding::None) {
    const double copies = schedule_.route == StageRoute::TwoWay ? 2 : 1;
    const auto replicas = static_cast<double>(p.dp * p.cp);
    const double part =
        question_.sharding_group ? static_cast<double>(*question_.sharding_group) / replicas : 1;
    dense = std::max(1.0, copies * replicas * part);
    expert = std::max(1.0, copies * static_cast<double>(p.edp()) * part);
  }
  double sum = 0;
  for (const ChunkSync& chunk : chunks_[rank])
    sum += chunk.parameters.dense / dense + chunk.parameters.expert / expert;
  return sum;
}

sim::Duration DataParallel::zero(std::uint32_t rank) const {
  RankParameters sum;
  for (const ChunkSync& chunk : chunks_[rank]) sum += chunk.parameters;
  return pass(rank, question_.accumulate_bytes * (sum.dense + sum.expert));
}

sim::Duration DataParallel::norm(std::uint32_t rank) const {
  return pass(rank, question_.accumulate_bytes * sharded(rank));
}

// Reads gradient, master weight, two moments; writes the last three and the parameter.
sim::Duration DataParallel::adam(std::uint32_t rank) const {
  const sim::Duration gpu =
      pass(rank, sharded(rank) * (question_.accumulate_bytes + 2 * question_.master_bytes +
                                  4 * question_.moment_bytes + question_.parameter_bytes));
  const Host& host = deployment_.host;
  if (host.graphs == Graphs::All) return gpu;
  const std::int64_t each =
      question_.sharding == Sharding::Weights ? kShardedOperations : kTensorOperations;
  return std::max(gpu, host.per_operation * (each * tensors(rank)));
}

std::int64_t DataParallel::tensors(std::uint32_t rank) const {
  // Two norms; q, k and v in one, output; up, down. Latent: two down, two up, output, their norms.
  constexpr std::int64_t kNorms = 2, kGqa = 2, kMla = 7, kFfn = 2, kRouter = 1;
  const Parallelism& p = deployment_.layout;
  std::int64_t sum = 0;
  for (std::uint32_t chunk = 0; chunk < schedule_.chunks; ++chunk) {
    const StageContent& content = question_.stages[schedule_.stage({rank, chunk})];
    sum += content.embedding + content.loss;
    for (std::int64_t l = 0; l < content.layers; ++l) {
      const LayerKind& kind = deployment_.model.layer(content.first_layer + l);
      sum += kNorms;
      if (std::holds_alternative<GqaAttention>(kind.mixer)) sum += kGqa;
      if (std::holds_alternative<MlaAttention>(kind.mixer)) sum += kMla;
      if (std::holds_alternative<DenseFfn>(kind.ffn)) sum += kFfn;
      const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
      if (moe == nullptr) continue;
      sum += kRouter + kFfn * (moe->experts / p.ep + (moe->shared_width() > 0 ? 1 : 0));
    }
  }
  return sum;
}

sim::Duration DataParallel::finalise_of(std::uint32_t rank) const {
  const Parallelism& p = deployment_.layout;
  const ModelSpec& model = deployment_.model;
  const auto at = static_cast<std::int64_t>(rank);
  std::int64_t norms = 0, biases = 0;
  bool holds = false;
  for (std::uint32_t chunk = 0; chunk < schedule_.chunks; ++chunk) {
    const StageContent& content = question_.stages[schedule_.stage({rank, chunk})];
    for (std::int64_t l = 0; l < content.layers; ++l) {
      const LayerKind& kind = model.layer(content.first_layer + l);
      norms += kind.norms * model.hidden;
      const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
      if (moe != nullptr && moe->router.bias) biases += moe->experts;
    }
    holds = holds || holds_table(content, model);
  }
  sim::Duration sum{};
  const Rank first = layout_.rank_of(DenseCoordinate{.pp = at});
  if (p.tp > 1 && norms > 0)
    sum += communication_.all_reduce(layout_.tp_group(first), sim::Bytes(kFp32 * norms)).alone;
  const std::vector<Rank> dense = replicas(rank, false);
  if (biases > 0 && dense.size() > 1)
    sum += communication_.all_reduce(dense, sim::Bytes(kFp32 * biases)).alone;
  if (holds && holders_.size() > 1) {
    std::vector<Rank> ends;
    for (const std::uint32_t r : holders_)
      ends.push_back(layout_.rank_of(DenseCoordinate{.pp = static_cast<std::int64_t>(r)}));
    const std::int64_t table = model.vocab / p.tp * model.hidden;
    sum += communication_.all_reduce(ends, sim::Bytes(kFp32 * table)).alone;
  }
  return sum;
}

double DataParallel::gradient_bytes(std::uint32_t rank) const {
  RankParameters sum;
  for (const ChunkSync& chunk : chunks_[rank]) sum += chunk.parameters;
  return question_.reduce_bytes * (sum.dense + sum.expert);
}

}  // namespace moesim::workloads
