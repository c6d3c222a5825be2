#include "tools/study/plan/training_parts.h"

#include <algorithm>

#include "workloads/training/chunk_table.h"
#include "workloads/training/data_parallel.h"
#include "workloads/training/goodput.h"

namespace moesim::tools {
namespace {

using sim::Duration;
using workloads::ChunkPass;
using workloads::ChunkTable;
using workloads::Deployment;
using workloads::PassKind;
using workloads::Sharding;
using workloads::StageContent;
using workloads::StageTimes;
using workloads::TrainingQuestion;

// Mixture layers that are played with the routing as it is.
constexpr std::size_t kRouted = 4;

Deployment at_the_bound(const Deployment& deployment, bool balanced) {
  Deployment d = deployment;
  d.network.fidelity = hardware::Fidelity::Bound;
  if (balanced) d.routing = {.law = workloads::Law::Balanced};
  return d;
}

TrainingQuestion with_stages(const TrainingQuestion& question, std::vector<StageContent> stages) {
  TrainingQuestion q = question;
  q.stages = std::move(stages);
  q.draws = 1;
  return q;
}

StageTimes times_of(ChunkTable& table, std::uint32_t stage) {
  const auto time = [&](PassKind kind) {
    return table.of({.kind = kind, .stage = stage, .draw = 0}).time;
  };
  return {.forward = time(PassKind::Forward),
          .backward_input = {},
          .backward_weight = {},
          .backward = time(PassKind::Backward)};
}

bool weaves(const workloads::PipelineSchedule& schedule) {
  return std::ranges::any_of(schedule.ranks, [](const auto& rank) {
    return std::ranges::any_of(rank, [](const auto& action) { return action.beside.has_value(); });
  });
}

std::int64_t levels_of(const workloads::Recompute& r) {
  std::int64_t bits = 0;
  for (const bool one :
       {r.full, r.mla_up_proj, r.moe, r.moe_act, r.mlp, r.layernorm, r.core_attn, r.shared_experts})
    bits = 2 * bits + (one ? 1 : 0);
  return bits;
}

}  // namespace

// Of a micro-batch, with every expert as busy.
struct TrainingParts::Layers {
  std::vector<StageTimes> kinds;  // [kind of the model's]
  std::vector<Duration> woven;    // [forward kind x kinds + backward kind]; empty: not asked
  StageTimes embedding, loss;     // with the prediction layers
};

TrainingParts::TrainingParts() = default;
TrainingParts::~TrainingParts() = default;
TrainingParts::TrainingParts(TrainingParts&&) noexcept = default;

const TrainingParts::Layers& TrainingParts::layers_of(const Sharing& sharing,
                                                      const Deployment& deployment,
                                                      const TrainingQuestion& question,
                                                      bool woven) {
  std::unique_ptr<Layers>& found = layers_[{
      sharing, {question.micro_batch, levels_of(question.recompute), question.sequence, woven}}];
  if (found) return *found;
  found = std::make_unique<Layers>();
  const Deployment d = at_the_bound(deployment, true);
  const std::size_t kinds = d.model.kinds.size();
  // A stage of one layer of each kind, the first that there is, and one of either end.
  std::vector<StageContent> stages;
  std::vector<std::optional<std::uint32_t>> stage_of(kinds);
  for (std::size_t l = 0; l < d.model.layers.size(); ++l) {
    auto& stage = stage_of[d.model.layers[l]];
    if (stage) continue;
    stage = static_cast<std::uint32_t>(stages.size());
    stages.push_back({.first_layer = static_cast<std::int64_t>(l), .layers = 1});
  }
  const auto ends = static_cast<std::uint32_t>(stages.size());
  stages.push_back({.embedding = true});
  stages.push_back({.predictions = question.predictions, .loss = true});
  const TrainingQuestion q = with_stages(question, std::move(stages));
  ChunkTable table(d, q);
  found->embedding = times_of(table, ends);
  found->loss = times_of(table, ends + 1);
  found->kinds.resize(kinds);
  for (std::size_t k = 0; k < kinds; ++k)
    if (stage_of[k]) found->kinds[k] = times_of(table, *stage_of[k]);
  if (!woven) return *found;
  found->woven.resize(kinds * kinds);
  for (std::size_t f = 0; f < kinds; ++f) {
    for (std::size_t b = 0; b < kinds; ++b) {
      if (!stage_of[f] || !stage_of[b]) continue;
      const ChunkPass pass{.kind = PassKind::Forward,
                           .stage = *stage_of[f],
                           .draw = 0,
                           .beside = ChunkPass::Beside{.stage = *stage_of[b], .draw = 0}};
      found->woven[f * kinds + b] = table.of(pass).time;
    }
  }
  return *found;
}

double TrainingParts::slowdown_of(const Sharing& sharing, const Deployment& deployment,
                                  const TrainingQuestion& question) {
  const auto [found, is_new] = slowdown_.try_emplace(sharing, 1.0);
  if (!is_new) return found->second;
  const std::vector<std::int64_t> mixtures = deployment.model.moe_layers();
  if (mixtures.empty()) return 1;
  std::vector<StageContent> stages;
  // Of a uniform law any layer is as good as another.
  const auto& routing = deployment.routing;
  const bool alike = routing.trace.empty() && routing.law == workloads::Law::Uniform;
  const std::size_t n = alike ? 1 : std::min(kRouted, mixtures.size());
  for (std::size_t i = 0; i < n; ++i)
    stages.push_back(
        {.first_layer = mixtures[(2 * i + 1) * mixtures.size() / (2 * n)], .layers = 1});
  const TrainingQuestion q = with_stages(question, std::move(stages));
  const auto sum = [&](bool balanced) {
    const Deployment d = at_the_bound(deployment, balanced);
    ChunkTable table(d, q);
    Duration all{};
    for (std::uint32_t s = 0; s < n; ++s) {
      const StageTimes times = times_of(table, s);
      all += times.forward + times.backward;
    }
    return sim::to_seconds(all);
  };
  found->second = std::max(1.0, sum(false) / sum(true));
  return found->second;
}

// Of the rank that owes most, behind the last pass.
Duration TrainingParts::owed_of(std::size_t setting, const Deployment& d, const TrainingQuestion& q,
                                const ScheduleSketch& sketch) {
  const workloads::Parallelism& p = d.layout;
  const auto [found, is_new] =
      owed_.try_emplace({static_cast<std::int64_t>(setting), p.tp, p.cp, p.ep, p.etp, p.pp, p.dp,
                         static_cast<std::int64_t>(q.stages.size()),
                         static_cast<std::int64_t>(sketch.schedule.route)});
  if (!is_new) return found->second;
  auto kernels = kernels_.find(setting);
  if (kernels == kernels_.end())
    kernels = kernels_.emplace(setting, hardware::Kernels(d.cluster.device, d.kernels)).first;
  const workloads::DataParallel replicas(d, q, sketch.schedule, kernels->second);
  const bool weights = q.sharding == Sharding::Weights;
  const bool shows = !q.overlap.gradients && q.sharding < Sharding::Gradients;
  for (std::uint32_t r = 0; r < sketch.schedule.size(); ++r) {
    Duration owed = replicas.zero(r) + replicas.finalise(r) + replicas.norm(r) +
                    replicas.barrier() + replicas.adam(r);
    for (std::uint32_t c = 0; c < sketch.schedule.chunks; ++c) {
      if (shows) owed += replicas.of(r, c).reduce;
      if (!weights && !q.overlap.parameters) owed += replicas.of(r, c).gather;
    }
    found->second = std::max(found->second, owed);
  }
  return found->second;
}

namespace {

// A stage's layers and ends, in the forward pass' order; past the kinds of layers, an end.
std::vector<std::size_t> parts_of(const StageContent& stage, const workloads::ModelSpec& model) {
  std::vector<std::size_t> parts;
  if (stage.embedding) parts.push_back(model.kinds.size());
  for (std::int64_t l = 0; l < stage.layers; ++l)
    parts.push_back(model.layers[static_cast<std::size_t>(stage.first_layer + l)]);
  if (stage.loss) parts.push_back(model.kinds.size() + 1);
  return parts;
}

}  // namespace

double TrainingParts::tokens_per_s(std::size_t setting, const Deployment& d,
                                   const TrainingQuestion& q) {
  const workloads::Parallelism& p = d.layout;
  const ScheduleSketch& sketch = sketches_.of(q, p);
  const bool woven = weaves(sketch.schedule);
  const Sharing sharing{static_cast<std::int64_t>(setting), p.tp, p.cp, p.ep, p.etp};
  const Layers& layers = layers_of(sharing, d, q, woven);
  const double slowdown = slowdown_of(sharing, d, q);
  const std::size_t kinds = d.model.kinds.size();
  const auto slowed = [&](std::size_t kind, Duration time) {
    const bool mixture = std::holds_alternative<workloads::MoeFfn>(d.model.kinds[kind].ffn);
    return mixture ? time * static_cast<std::int64_t>(slowdown * 1024) / 1024 : time;
  };
  const auto of = [&](std::size_t part) -> StageTimes {
    if (part >= kinds) return part == kinds ? layers.embedding : layers.loss;
    StageTimes times = layers.kinds[part];
    times.forward = slowed(part, times.forward);
    times.backward = slowed(part, times.backward);
    return times;
  };

  workloads::ScheduleTimes times;
  std::vector<std::vector<std::size_t>> parts;
  for (const StageContent& stage : q.stages) {
    StageTimes& sum = times.stages.emplace_back();
    for (const std::size_t part : parts.emplace_back(parts_of(stage, d.model))) {
      const StageTimes one = of(part);
      sum.forward += one.forward;
      sum.backward += one.backward;
    }
  }
  if (woven) {
    for (const auto& forward : parts) {
      for (const auto& backward : parts) {
        Duration sum{};
        for (std::size_t i = 0; i < std::max(forward.size(), backward.size()); ++i) {
          const bool ahead = i < forward.size(), behind = i < backward.size();
          const std::size_t f = ahead ? forward[i] : 0;
          const std::size_t b = behind ? backward[backward.size() - 1 - i] : 0;
          if (ahead && behind && f < kinds && b < kinds) {
            sum += slowed(f, layers.woven[f * kinds + b]);
            continue;
          }
          if (ahead) sum += of(f).forward;
          if (behind) sum += of(b).backward;
        }
        times.woven.push_back(sum);
      }
    }
  }
  const Duration step =
      least_step(sketch, q.micro_batches(p.dp), times) + owed_of(setting, d, q, sketch);
  const double tokens =
      static_cast<double>(q.global_batch) * static_cast<double>(q.sequence) / sim::to_seconds(step);
  return tokens * workloads::goodput_of(*q.run, p.gpus(), tokens).goodput;
}

}  // namespace moesim::tools
