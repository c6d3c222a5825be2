#include "tools/study/plan/played_steps.h"

#include <algorithm>
#include <vector>

#include "workloads/report/power_use.h"

namespace moesim::tools {
namespace {

using workloads::Batch;
using workloads::Deployment;

// Rounded up.
std::int64_t stages_of(std::int64_t layers, std::int64_t pp) {
  return (layers + pp - 1) / pp;
}

// Of each kind of layer its share, evenly spread, in the model's order.
std::vector<std::int64_t> spread(const workloads::ModelSpec& model, std::int64_t wanted) {
  std::vector<std::int64_t> kept;
  for (std::size_t kind = 0; kind < model.kinds.size(); ++kind) {
    std::vector<std::int64_t> all;
    for (std::int64_t l = 0; l < model.layer_count(); ++l)
      if (model.layers[static_cast<std::size_t>(l)] == kind) all.push_back(l);
    const auto count = static_cast<std::int64_t>(all.size());
    if (count == 0) continue;
    const std::int64_t share = std::max<std::int64_t>(
        1, (2 * count * wanted + model.layer_count()) / (2 * model.layer_count()));
    for (std::int64_t i = 0; i < share; ++i)
      kept.push_back(all[static_cast<std::size_t>((2 * i + 1) * count / (2 * share))]);
  }
  std::ranges::sort(kept);
  return kept;
}

// Of the host what it does between steps: launches are the layers'.
sim::Duration around_layers(const workloads::StepOutcome& step, const Batch& batch,
                            const workloads::Host& host) {
  using workloads::Phase;
  const auto waited_for = [&](Phase phase) { return step.path[workloads::index_of(phase)]; };
  std::int64_t sequences = 1;
  for (const workloads::RankBatch& rank : batch.ranks)
    sequences = std::max(sequences, workloads::sequences_of(rank));
  return waited_for(Phase::Head) + waited_for(Phase::Other) +
         std::min(waited_for(Phase::Host), host.of_step(sequences, batch.drafted));
}

}  // namespace

std::optional<Deployment> with_a_part(const Deployment& d, std::int64_t draft) {
  const std::int64_t stages = stages_of(kLayersOfAPart, d.layout.pp);
  const std::int64_t wanted = std::max<std::int64_t>(2, stages) * d.layout.pp;
  if (2 * wanted >= d.model.layer_count() || d.model.encoder_layers > 0 || draft > 0 ||
      !d.placement.file.empty())
    return {};
  Deployment part = d;
  part.model = workloads::keep_layers(d.model, spread(d.model, wanted));
  // Of a trace that has the model's layers those that are kept, nearly.
  if (part.routing.mapping.layers == workloads::LayerMapping::Exact)
    part.routing.mapping.layers = workloads::LayerMapping::Stretch;
  return part;
}

PlayedSteps::PlayedSteps(const Deployment& deployment, const workloads::Envelope& envelope,
                         Layers layers, std::int64_t draft)
    : part_(layers == Layers::Part ? with_a_part(deployment, draft) : std::nullopt),
      player_(part_ ? *part_ : deployment, envelope) {
  if (!part_) return;
  const std::int64_t pp = deployment.layout.pp;
  times_ = static_cast<double>(stages_of(deployment.model.layer_count(), pp)) /
           static_cast<double>(stages_of(part_->model.layer_count(), pp));
}

const PlayedSteps::Step& PlayedSteps::of(const Batch& batch) {
  const auto known = std::ranges::find(played_, batch, &Step::batch);
  if (known != played_.end()) return *known;
  const Deployment& d = player_.deployment();
  const auto step =
      player_.outcome(batch, 0, {.ranks = false, .path = part_.has_value(), .links = false});
  workloads::PhaseWork work;
  for (std::size_t i = 0; i < workloads::kPhases; ++i) {
    work.flops[i] = step.account.work[i].flops.count();
    work.bytes[i] = static_cast<double>(step.account.work[i].bytes.count());
  }
  const double played = sim::to_seconds(step.time);
  const double around = sim::to_seconds(around_layers(step, batch, d.host));
  return played_.emplace_back(
      Step{.batch = batch,
           .seconds = part_ ? around + (played - around) * times_ : played,
           .use = workloads::power_use(work, static_cast<double>(d.layout.gpus()), played,
                                       d.cluster.device, d.formats)});
}

}  // namespace moesim::tools
