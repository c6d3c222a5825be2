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
                     deployment.formats.dispatch, deployment.formats.combine),
      slow_(deployment.cluster) {
  const Parallelism& p = deployment.layout;
  const double bucket = question.bucket
                            ? static_cast<double>(*question.bucket)
                            : std::max(kBucket, kBucketPerRank * static_cast<double>(p.dp));
  holders_ = table_holders();
  for (std::uint32_t rank = 0; rank < schedule.size(); ++rank) {
    const Groups dense = replicas(rank, false), experts = replicas(rank, true);
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
  if (all.size() > 1) barrier_ = together(&Communication::all_reduce, {all}, sim::Bytes(kFp32));
}

DataParallel::Groups DataParallel::replicas(std::uint32_t rank, bool experts) const {
  const Parallelism& p = deployment_.layout;
  std::vector<std::int64_t> stages{rank};
  if (schedule_.route == StageRoute::TwoWay) stages.push_back(schedule_.size() - 1 - rank);
  const std::int64_t places = !slow_.any() ? 1 : experts ? p.etp * p.ep : p.tp;
  Groups groups;
  for (std::int64_t place = 0; place < places; ++place) {
    std::vector<Rank>& list = groups.emplace_back();
    for (const std::int64_t pp : stages) {
      if (experts) {
        for (std::int64_t e = 0; e < p.edp(); ++e)
          list.push_back(layout_.rank_of(
              ExpertCoordinate{.etp = place % p.etp, .ep = place / p.etp, .edp = e, .pp = pp}));
        continue;
      }
      for (std::int64_t dp = 0; dp < p.dp; ++dp)
        for (std::int64_t cp = 0; cp < p.cp; ++cp)
          list.push_back(
              layout_.rank_of(DenseCoordinate{.tp = place, .cp = cp, .dp = dp, .pp = pp}));
    }
    std::sort(list.begin(), list.end());
  }
  return groups;
}

sim::Duration DataParallel::together(Collective how, const Groups& groups, sim::Bytes bytes) const {
  const hardware::PricedExchange first = (communication_.*how)(groups.front(), bytes);
  if (!slow_.any()) return first.alone;
  std::vector<sim::Exchange> all;
  for (const std::vector<Rank>& group : groups)
    all.push_back((communication_.*how)(group, bytes).exchange);
  return first.alone + slow_.more(all);
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
sim::Duration DataParallel::collective(const Groups& replicas, double parameters, double bytes,
                                       bool gather) const {
  const std::size_t all = replicas.front().size();
  if (all == 1 || parameters == 0) return {};
  const sim::Bytes whole = bytes_of(parameters * bytes);
  if (question_.sharding == Sharding::None)
    return gather ? sim::Duration{} : together(&Communication::all_reduce, replicas, whole);
  // Of experts, the same part of their replicas.
  const Parallelism& p = deployment_.layout;
  std::size_t group = all;
  if (question_.sharding_group && *question_.sharding_group < p.dp * p.cp)
    group = std::max<std::size_t>(1, group * static_cast<std::size_t>(*question_.sharding_group) /
                                         static_cast<std::size_t>(p.dp * p.cp));
  Groups inside, between;
  for (const std::vector<Rank>& ranks : replicas) {
    for (std::size_t first = 0; first < all; first += group)
      inside.emplace_back(
          ranks.begin() + static_cast<std::ptrdiff_t>(first),
          ranks.begin() + static_cast<std::ptrdiff_t>(std::min(all, first + group)));
    for (std::size_t place = 0; place < group; ++place) {
      std::vector<Rank>& list = between.emplace_back();
      for (std::size_t i = place; i < all; i += group) list.push_back(ranks[i]);
    }
  }
  sim::Duration time{};
  if (group > 1)
    time = together(gather ? &Communication::all_gather : &Communication::reduce_scatter, inside,
                    whole);
  if (gather || group == all) return time;
  return time + together(&Communication::all_reduce, between,
                         bytes_of(parameters * bytes / static_cast<double>(group)));
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
  // Of each place of a stage where links are slow, else of the first.
  const auto each = [&](auto&& group) {
    Groups groups;
    const std::int64_t dps = slow_.any() ? p.dp : 1, cps = slow_.any() ? p.cp : 1;
    for (std::int64_t dp = 0; dp < dps; ++dp)
      for (std::int64_t cp = 0; cp < cps; ++cp)
        group(DenseCoordinate{.cp = cp, .dp = dp, .pp = at}, groups);
    return groups;
  };
  if (p.tp > 1 && norms > 0)
    sum += together(&Communication::all_reduce,
                    each([&](const DenseCoordinate& place, Groups& groups) {
                      groups.push_back(layout_.tp_group(layout_.rank_of(place)));
                    }),
                    sim::Bytes(kFp32 * norms));
  const Groups dense = replicas(rank, false);
  if (biases > 0 && dense.front().size() > 1)
    sum += together(&Communication::all_reduce, dense, sim::Bytes(kFp32 * biases));
  if (holds && holders_.size() > 1) {
    const std::int64_t tps = slow_.any() ? p.tp : 1;
    const Groups ends = each([&](DenseCoordinate place, Groups& groups) {
      for (place.tp = 0; place.tp < tps; ++place.tp) {
        std::vector<Rank>& list = groups.emplace_back();
        for (const std::uint32_t r : holders_) {
          place.pp = static_cast<std::int64_t>(r);
          list.push_back(layout_.rank_of(place));
        }
      }
    });
    const std::int64_t table = model.vocab / p.tp * model.hidden;
    sum += together(&Communication::all_reduce, ends, sim::Bytes(kFp32 * table));
  }
  return sum;
}

double DataParallel::gradient_bytes(std::uint32_t rank) const {
  RankParameters sum;
  for (const ChunkSync& chunk : chunks_[rank]) sum += chunk.parameters;
  return question_.reduce_bytes * (sum.dense + sum.expert);
}

}  // namespace moesim::workloads
