#include "workloads/step/player.h"

#include <algorithm>

#include "hardware/network/cluster_network.h"
#include "sim/check.h"
#include "sim/engine.h"
#include "sim/error.h"
#include "sim/executor.h"
#include "workloads/deployment/check.h"

namespace moesim::workloads {
namespace {

const Deployment& checked(const Deployment& deployment) {
  std::string text;
  for (const Problem& problem : check(deployment)) {
    text += (text.empty() ? "" : "\n") + problem.key + ": " + problem.text;
  }
  if (!text.empty()) throw sim::ConfigError(text);
  return deployment;
}

std::vector<sim::Window> windows_of(const BuiltStep& step, const sim::Timeline& timeline,
                                    Rank stage_ranks) {
  const sim::OpGraph& graph = step.graph;
  sim::Time filled{};                                        // the pipeline, before the step
  std::vector<sim::Time> done(graph.ranks() / stage_ranks);  // each stage, with the step
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    sim::Time& latest = id < step.first_op ? filled : done[graph.op(id).rank / stage_ranks];
    latest = std::max(latest, timeline.spans[id].end);
  }
  const sim::Duration time = timeline.finish - filled;
  std::vector<sim::Window> windows;
  for (const sim::Time to : done) {
    windows.insert(windows.end(), stage_ranks, sim::Window{to - time, to});
  }
  return windows;
}

}  // namespace

struct StepPlayer::Shared {
  Shared(const Deployment& d, const Envelope& envelope)
      : deployment(checked(d)),
        most_tokens(tokens_of(envelope.fullest, d.layout.dp)),
        routing_steps(envelope.routing_steps),
        layout(d.layout),
        kernels(d.cluster.device, d.kernels),
        communication(d.cluster, d.all_reduce, d.tokens, d.formats.dispatch, d.formats.combine),
        routes(d, split_step(envelope.fullest, d, layout), routing_steps - 1 + rounds(d.layout)),
        program(d, layout, kernels, communication, routes),
        network(d.cluster.topology) {}

  const Deployment& deployment;
  std::int64_t most_tokens, routing_steps;
  RankLayout layout;
  hardware::Kernels kernels;
  Communication communication;
  LayerRoutes routes;
  Program program;
  hardware::ClusterNetwork network;
};

StepPlayer::StepPlayer(const Deployment& deployment, const Envelope& envelope)
    : shared_(std::make_unique<Shared>(deployment, envelope)) {}
StepPlayer::~StepPlayer() = default;
StepPlayer::StepPlayer(StepPlayer&&) noexcept = default;

PlayedStep StepPlayer::play(const Batch& batch, std::int64_t routing_step) {
  const Deployment& d = shared_->deployment;
  SIM_CHECK(tokens_of(batch, d.layout.dp) <= shared_->most_tokens, "a batch beyond the envelope");
  SIM_CHECK(routing_step < shared_->routing_steps, "a step of the routing beyond the envelope");
  BuiltStep built =
      weave(shared_->program, plan_step(batch, d, shared_->layout),
            static_cast<std::uint32_t>(routing_step), d, shared_->layout, shared_->communication);
  sim::Engine engine;
  const auto network = hardware::make_network_model(shared_->network, d.network.fidelity, engine,
                                                    d.network.tolerance);
  sim::Timeline timeline = sim::execute(built.graph, engine, *network);
  std::vector<sim::Window> windows = windows_of(built, timeline, shared_->program.stage_ranks());
  return {.built = std::move(built),
          .timeline = std::move(timeline),
          .windows = std::move(windows),
          .links = network->link_use()};
}

std::string StepPlayer::routing() const {
  return shared_->routes.description();
}

std::int64_t StepPlayer::routing_steps() const {
  return shared_->routing_steps;
}

}  // namespace moesim::workloads
