#include "workloads/training/chunk_table.h"

#include <algorithm>

#include "hardware/network/bound_clocks.h"
#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "sim/check.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "workloads/training/bound_timeline.h"
#include "workloads/training/capacity.h"
#include "workloads/training/group_routing.h"
#include "workloads/training/stage_speeds.h"
#include "workloads/training/weaver.h"

namespace moesim::workloads {
namespace {

// The micro-batch of every dp rank of a group, and what of it is routed: with a capacity that is
// filled up every expert gets that many rows of each rank.
MicroBatch micro_batch(const Deployment& group, const RankLayout& layout, const RankBatch& batch) {
  return split_step(on_every_rank(batch), group, layout).front().front();
}

RankBatch routed_batch(const Deployment& group, const TrainingQuestion& q) {
  const Parallelism& p = group.layout;
  const MoeFfn* moe = group.model.largest_moe();
  if (!q.is_filled() || moe == nullptr) return {prompts(q.micro_batch, q.sequence)};
  const std::int64_t own = q.micro_batch * q.sequence / (p.tp * p.cp);
  return {prompts(1, filled_tokens(own, *moe, *q.capacity) * p.tp * p.cp)};
}

// Draws of the routing are these apart in stages that follow each other.
constexpr std::uint32_t kStageShift = 5;

}  // namespace

struct ChunkTable::Shared {
  Shared(const Deployment& deployment, const TrainingQuestion& q, bool as_busy)
      : question(q),
        group(routed_group(deployment, q, as_busy)),
        alike(is_alike(group)),
        layout(group.layout),
        kernels(group.cluster.device, group.kernels),
        cores(group.cluster.device, question.attention),
        grouped(group.cluster.device, group.kernels.gemm),
        communication(group.cluster, group.all_reduce, group.tokens, group.formats.dispatch,
                      group.formats.combine, question.exchange_sms),
        batch(micro_batch(group, layout, routed_batch(group, q))),
        draws(draws_of(group, q, batch)),
        routes(group, {{batch}}, draws),
        routed(group, layout, communication, routes, batch,
               q.is_filled() ? std::nullopt : q.capacity, as_busy),
        network(group.cluster.topology),
        clocks(network, false),
        alone(input({})),
        woven(input(communication.share_beside())) {
    speeds = stage_speeds(deployment, q);
    for (std::uint32_t stage = 0; stage < question.stages.size(); ++stage)
      first_alike.push_back(first_like(stage));
  }

  LayerPassBuilder::Input input(hardware::DeviceShare share) {
    return {.group = group,
            .question = question,
            .layout = layout,
            .kernels = kernels,
            .cores = cores,
            .grouped = grouped,
            .communication = communication,
            .routed = routed,
            .share = share};
  }

  // Two passes at one time are woven where exchanges may run beside the other's computation; else
  // one comes after the other, as in DualPipe's own code where a module cannot be woven.
  bool is_woven(const ChunkPass& pass) const {
    return pass.beside.has_value() && question.overlap.expert;
  }

  // What a stage is made of, in the forward pass' order, its layers by the numbers of `named`.
  std::vector<NamedPasses> passes(LayerPassBuilder& builder, std::uint32_t stage,
                                  std::uint32_t draw, std::uint32_t named) const {
    const StageContent& content = question.stages[stage];
    std::vector<NamedPasses> list;
    if (content.embedding) list.push_back({builder.embedding()});
    for (std::int64_t l = 0; l < content.layers; ++l)
      list.push_back(
          {builder.layer(content.first_layer + l, draw), question.stages[named].first_layer + l});
    if (content.loss && content.predictions == 0) list.push_back({builder.head()});
    for (std::int64_t i = 0; i < content.predictions; ++i) {
      if (i == 0 && content.loss) list.push_back({builder.head()});
      list.push_back({builder.prediction_input()});
      list.push_back({builder.prediction_layer(draw), group.model.layer_count() + i});
      list.push_back({builder.head()});
    }
    return list;
  }

  sim::Timeline timeline_of(const sim::OpGraph& graph) {
    const Network& fidelity = group.network;
    if (fidelity.fidelity == hardware::Fidelity::Bound) return bound_timeline(graph, clocks);
    sim::Engine engine;
    const auto model = hardware::make_network_model(network, fidelity.fidelity, engine,
                                                    fidelity.tolerance, graph.exchanges());
    return sim::execute(graph, engine, *model);
  }

  // The place among mixture layers of the first that is of that layer's kind.
  std::size_t first_of_kind(std::int64_t layer, std::size_t index) const {
    const ModelSpec& model = group.model;
    if (layer >= model.layer_count()) return index;
    const auto kind = [&](std::int64_t l) { return model.layers[static_cast<std::size_t>(l)]; };
    const std::vector<std::int64_t> layers = model.moe_layers();
    return static_cast<std::size_t>(
        std::ranges::find_if(layers, [&](std::int64_t l) { return kind(l) == kind(layer); }) -
        layers.begin());
  }
  // Calls back with the mixture layers of a stage: the layer's number, its place among mixture
  // layers, what it is.
  void for_each_moe(std::uint32_t stage, auto&& call) const {
    const ModelSpec& model = group.model;
    const std::vector<std::int64_t> layers = model.moe_layers();
    const StageContent& content = question.stages[stage];
    for (std::size_t i = 0; i < layers.size(); ++i)
      if (layers[i] >= content.first_layer && layers[i] < content.first_layer + content.layers)
        call(layers[i], i, *model.moe(layers[i]));
    if (content.predictions == 0 || layers.empty()) return;
    const auto* moe = std::get_if<MoeFfn>(&model.kinds[model.prediction_kind].ffn);
    for (std::int64_t i = 0; moe != nullptr && i < content.predictions; ++i)
      call(model.layer_count() + i, layers.size() - 1, *moe);
  }

  // The first stage that has the same, where layers of a kind are alike, and its draw.
  void fold(std::uint32_t& stage, std::uint32_t& draw) const {
    const std::uint32_t first = first_alike[stage];
    if (first == stage) return;
    draw = (draw + kStageShift * stage) % draws;
    stage = first;
  }
  std::uint32_t first_like(std::uint32_t stage) const {
    if (!alike) return stage;
    const auto key = [&](const StageContent& content) {
      std::vector<std::size_t> kinds;
      for (std::int64_t l = 0; l < content.layers; ++l)
        kinds.push_back(group.model.layers[static_cast<std::size_t>(content.first_layer + l)]);
      return std::tuple(content.embedding, content.predictions, content.loss, std::move(kinds));
    };
    for (std::uint32_t other = 0; other < stage; ++other)
      if (speeds[other] == speeds[stage] &&
          key(question.stages[other]) == key(question.stages[stage]))
        return other;
    return stage;
  }

  const TrainingQuestion& question;
  Deployment group;
  bool alike;
  std::vector<std::vector<double>> speeds;  // [stage][rank of the group]
  std::vector<std::uint32_t> first_alike;   // of each stage: the first that has the same
  RankLayout layout;
  hardware::Kernels kernels;
  hardware::TrainingAttention cores;
  hardware::GroupedProducts grouped;
  Communication communication;
  MicroBatch batch;  // that is routed
  std::uint32_t draws;
  LayerRoutes routes;
  RoutedLayers routed;
  hardware::ClusterNetwork network;
  hardware::BoundClocks clocks;
  LayerPassBuilder alone, woven;
};

namespace {

// When the first exchange of tokens starts.
std::optional<sim::Duration> first_exchange(const sim::OpGraph& graph,
                                            const sim::Timeline& timeline) {
  std::optional<sim::Duration> first;
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    const std::uint32_t phase = graph.label(op.label).phase;
    if (op.kind != sim::OpKind::Exchange) continue;
    if (phase != index_of(Phase::Dispatch) && phase != index_of(Phase::Combine)) continue;
    const sim::Duration start = timeline.spans[id].start - sim::Time{};
    first = std::min(first.value_or(start), start);
  }
  return first;
}

// What one rank did in its time (sim::rank_times is of all).
sim::RankTime time_of(Rank rank, const sim::OpGraph& graph, const sim::Timeline& timeline) {
  std::vector<sim::RankSpan> spans;
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    if (op.rank != rank) continue;
    const sim::Span& span = timeline.spans[id];
    spans.push_back({.start = span.start,
                     .end = span.end,
                     .kind = op.kind,
                     .phase = graph.label(op.label).phase});
    if (op.kind != sim::OpKind::Exchange) continue;
    for (const sim::OpId part : graph.parts(op.exchange))
      spans.back().last_arrival = std::max(spans.back().last_arrival, timeline.spans[part].start);
  }
  std::vector<sim::Duration> waited_for(graph.ranks());
  return sim::divide(spans, kTrainingPhases, {{}, timeline.finish}, waited_for);
}

// Every step of a pass, its layers by the numbers of `names`. Gives what the forward one, or the
// only one, is made of.
std::vector<NamedPasses> weave(auto& s, const ChunkPass& pass, const ChunkPass& names,
                               Weaver& weaver) {
  const bool woven = s.is_woven(pass);
  LayerPassBuilder& builder = woven ? s.woven : s.alone;
  auto list = s.passes(builder, pass.stage, pass.draw, names.stage);
  if (woven) {
    const auto other =
        s.passes(builder, pass.beside->stage, pass.beside->draw, names.beside->stage);
    add_woven(list, other, weaver);
    return list;
  }
  Chain chain = weaver.start();
  const auto backward = [&](const std::vector<NamedPasses>& of, PassKind kind) {
    for (auto one = of.rbegin(); one != of.rend(); ++one)
      add_backward(*one, kind != PassKind::BackwardWeight, kind != PassKind::BackwardInput, weaver,
                   chain);
  };
  if (pass.kind != PassKind::Forward) {
    backward(list, pass.kind);
    return list;
  }
  for (const NamedPasses& one : list) add_forward(one, weaver, chain);
  if (pass.beside)
    backward(s.passes(builder, pass.beside->stage, pass.beside->draw, names.beside->stage),
             PassKind::Backward);
  return list;
}

}  // namespace

ChunkTable::ChunkTable(const Deployment& deployment, const TrainingQuestion& question, bool as_busy)
    : shared_(std::make_unique<Shared>(deployment, question, as_busy)) {}
ChunkTable::~ChunkTable() = default;

std::uint32_t ChunkTable::draws() const {
  return shared_->draws;
}
std::string ChunkTable::routing() const {
  return shared_->routes.description();
}
Rank ChunkTable::ranks() const {
  return shared_->layout.ranks();
}
std::int64_t ChunkTable::held() const {
  return shared_->group.model.is_moe() ? shared_->communication.multiprocessors_held() : 0;
}

ChunkPass ChunkTable::as_played(const ChunkPass& asked) const {
  ChunkPass pass = asked;
  shared_->fold(pass.stage, pass.draw);
  if (pass.beside) shared_->fold(pass.beside->stage, pass.beside->draw);
  return pass;
}

const PlayedChunk& ChunkTable::of(const ChunkPass& asked) {
  const ChunkPass pass = as_played(asked);
  const auto found = known_.find(pass);
  if (found != known_.end()) return found->second;
  return known_.emplace(pass, play(pass, lead_before(pass))).first->second;
}

sim::Duration ChunkTable::lead_before(const ChunkPass& pass) {
  const Host& host = shared_->group.host;
  if (host.graphs == Graphs::All) return {};
  ChunkPass before = pass;
  if (!pass.beside) {
    switch (pass.kind) {
      case PassKind::Forward:
        before.kind = PassKind::Backward;
        break;
      case PassKind::Backward:
      case PassKind::BackwardInput:
        before.kind = PassKind::Forward;
        break;
      case PassKind::BackwardWeight:
        before.kind = PassKind::BackwardInput;
        break;
    }
  }
  const auto found = leads_.find(before);
  if (found != leads_.end()) return found->second;
  return leads_.emplace(before, lead_after(before)).first->second;
}

ChunkTable::Recorded ChunkTable::record(const ChunkPass& asked) {
  const ChunkPass pass = as_played(asked);
  Recorded recorded{.graph = sim::OpGraph(1), .timeline = {}};
  play(pass, lead_before(pass), &asked, &recorded);
  return recorded;
}

ChunkTable::StageLoads ChunkTable::loads(std::uint32_t stage, std::uint32_t draw) {
  Shared& s = *shared_;
  SIM_CHECK(draw < s.draws, "a draw of the routing that there is not");
  std::vector<std::int64_t> numbers;
  s.for_each_moe(stage,
                 [&](std::int64_t layer, std::size_t, const MoeFfn&) { numbers.push_back(layer); });
  s.fold(stage, draw);
  StageLoads loads;
  s.for_each_moe(stage, [&](std::int64_t layer, std::size_t index, const MoeFfn& moe) {
    // Layers of balanced routing are counted once, as their passes are made once.
    if (is_balanced(s.group)) index = s.first_of_kind(layer, index);
    loads.layers.push_back(s.routed.load(index, moe, draw));
    loads.layers.back().layer = numbers[loads.layers.size() - 1];
    loads.dropped += s.routed.of(index, moe, draw).dropped;
  });
  return loads;
}

// How far the host is ahead after a pass that it starts with the GPU.
sim::Duration ChunkTable::lead_after(const ChunkPass& pass) {
  Shared& s = *shared_;
  Weaver weaver(s.speeds[pass.stage], s.group.host, {}, false, ops_);
  weave(s, pass, pass, weaver);
  ops_ = std::max(ops_, weaver.graph().size());
  return weaver.host().lead(s.timeline_of(weaver.graph()));
}

PlayedChunk ChunkTable::play(const ChunkPass& pass, sim::Duration lead, const ChunkPass* named,
                             Recorded* recorded) {
  Shared& s = *shared_;
  SIM_CHECK(pass.draw < s.draws, "a draw of the routing that there is not");
  const Deployment& d = s.group;
  const Rank ranks = s.layout.ranks();
  Weaver weaver(s.speeds[pass.stage], d.host, lead, true, ops_);
  PlayedChunk played;
  const auto list = weave(s, pass, named != nullptr ? *named : pass, weaver);
  ops_ = std::max(ops_, weaver.graph().size());
  played.rows.resize(ranks);
  for (const auto& [one, layer] : list) {
    for (std::size_t r = 0; r < one.rows.size(); ++r) played.rows[r] += one.rows[r];
    played.selections += one.selections, played.dropped += one.dropped;
  }

  sim::Timeline timeline = s.timeline_of(weaver.graph());
  played.time = timeline.finish - sim::Time{};
  played.lead = weaver.host().lead(timeline);
  // The first of the ranks that are done last.
  Rank slowest = 0;
  for (sim::OpId id = 0; id < weaver.graph().size(); ++id) {
    if (timeline.spans[id].end != timeline.finish) continue;
    slowest = weaver.graph().op(id).rank;
    break;
  }
  const sim::RankTime time = time_of(slowest, weaver.graph(), timeline);
  for (std::size_t p = 0; p < kTrainingPhases; ++p) {
    played.exposed[p] = time.phases[p].exposed;
    played.waiting[p] = time.phases[p].waiting;
  }
  played.idle = time.idle;
  if (ranks > d.cluster.gpus_per_node) {
    for (const Phase phase : {Phase::Dispatch, Phase::Combine})
      played.links += weaver.exchanged[index_of(phase)].time / ranks;
    if (!s.is_woven(pass)) played.first_use = first_exchange(weaver.graph(), timeline);
  }
  played.work = std::move(weaver.work);
  played.exchanged = std::move(weaver.exchanged);
  if (recorded) *recorded = {.graph = std::move(weaver.graph()), .timeline = std::move(timeline)};
  return played;
}

}  // namespace moesim::workloads
