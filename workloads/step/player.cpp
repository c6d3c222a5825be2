#include "workloads/step/player.h"

#include <algorithm>

#include "hardware/kernels/kernel_pool.h"
#include "hardware/network/cluster_network.h"
#include "hardware/network/play_graph.h"
#include "sim/check.h"
#include "sim/error.h"
#include "workloads/deployment/check.h"
#include "workloads/step/token_kernels.h"

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

std::shared_ptr<const hardware::Kernels> kernels_of(const Deployment& d) {
  if (d.cluster.kernels) return d.cluster.kernels->of(d.kernels);
  return std::make_shared<const hardware::Kernels>(d.cluster.device, d.kernels);
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

// Kernels that carry tokens, and what a step is made of with them.
struct Carried {
  Carried(const Deployment& d, hardware::MulticastAlgorithm tokens, const RankLayout& layout,
          const hardware::Kernels& kernels, LayerRoutes& routes)
      : communication(d.cluster, d.all_reduce, tokens, d.formats.dispatch, d.formats.combine),
        program(d, layout, kernels, communication, routes) {}
  Carried(const Carried&) = delete;  // the program looks at its communication
  Carried& operator=(const Carried&) = delete;

  Communication communication;
  Program program;
};

}  // namespace

struct StepPlayer::Shared {
  Shared(const Deployment& d, const Envelope& e, std::shared_ptr<const hardware::Kernels> known)
      : deployment(d),
        envelope(e),
        most_tokens(tokens_of(envelope.fullest, d.layout.dp)),
        routing_steps(envelope.routing_steps),
        layout(d.layout),
        kernels(std::move(known)),
        routes(d, split_step(envelope.fullest, d, layout), routing_steps - 1 + rounds(d.layout)),
        carried(d, d.tokens, layout, *kernels, routes),
        network(d.cluster.topology) {
    if (d.decode_tokens) decoded.emplace(d, *d.decode_tokens, layout, *kernels, routes);
  }

  // The step's plan, once it is known to lie in the envelope.
  StepPlan plan(const Batch& batch, std::int64_t routing_step) const {
    SIM_CHECK(tokens_of(batch, deployment.layout.dp) <= most_tokens, "a batch beyond the envelope");
    SIM_CHECK(routing_step < routing_steps, "a step of the routing beyond the envelope");
    return plan_step(batch, deployment, layout);
  }
  Loom loom(bool host, bool decode_kernels) {
    Carried& with = decode_kernels ? *decoded : carried;
    return {.program = with.program,
            .deployment = deployment,
            .layout = layout,
            .communication = with.communication,
            .host = host};
  }

  const Deployment& deployment;
  Envelope envelope;
  std::int64_t most_tokens, routing_steps;
  RankLayout layout;
  std::shared_ptr<const hardware::Kernels> kernels;
  LayerRoutes routes;
  Carried carried;
  std::optional<Carried> decoded;  // by the kernels of decodes, where they are others
  hardware::ClusterNetwork network;
};

StepPlayer::StepPlayer(const Deployment& deployment, const Envelope& envelope)
    : shared_(std::make_unique<Shared>(checked(deployment), envelope, kernels_of(deployment))) {}
StepPlayer::StepPlayer(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}
StepPlayer::~StepPlayer() = default;
StepPlayer::StepPlayer(StepPlayer&&) noexcept = default;

StepPlayer StepPlayer::another() const {
  return StepPlayer(
      std::make_unique<Shared>(shared_->deployment, shared_->envelope, shared_->kernels));
}

PlayedStep StepPlayer::play(const Batch& batch, std::int64_t routing_step, bool host) {
  return played(batch, routing_step, host, decode_kernels_carry(shared_->deployment, batch));
}

PlayedStep StepPlayer::played(const Batch& batch, std::int64_t routing_step, bool host,
                              bool decode_kernels) {
  const Deployment& d = shared_->deployment;
  BuiltStep built = weave(shared_->loom(host, decode_kernels), shared_->plan(batch, routing_step),
                          static_cast<std::uint32_t>(routing_step));
  hardware::PlayedGraph played =
      hardware::play_graph(shared_->network, built.graph, d.network.fidelity, d.network.tolerance);
  std::vector<sim::Window> windows =
      windows_of(built, played.timeline, shared_->carried.program.stage_ranks());
  return {.built = std::move(built),
          .timeline = std::move(played.timeline),
          .windows = std::move(windows),
          .links = std::move(played.links)};
}

StepOutcome StepPlayer::outcome(const Batch& batch, std::int64_t routing_step,
                                const Wanted& wanted) {
  const Deployment& d = shared_->deployment;
  const bool decode_kernels = wanted.decode_kernels.value_or(decode_kernels_carry(d, batch));
  SIM_CHECK(!decode_kernels || d.decode_tokens, "kernels of decodes that there are");
  if (d.network.fidelity != hardware::Fidelity::Bound)
    return outcome_of(played(batch, routing_step, wanted.host, decode_kernels));
  hardware::BoundClocks network(shared_->network, wanted.links);
  ClockedStep step =
      clock(shared_->loom(wanted.host, decode_kernels), shared_->plan(batch, routing_step),
            static_cast<std::uint32_t>(routing_step), network,
            {.ranks = wanted.ranks, .path = wanted.path, .meetings = wanted.meetings});
  StepOutcome outcome{.time = step.clocks.time(),
                      .whole = step.clocks.finish() - sim::Time{},
                      .account = std::move(step.account)};
  if (wanted.ranks) outcome.times = step.clocks.rank_times();
  if (wanted.path) outcome.path = step.clocks.path();
  if (wanted.meetings) outcome.meetings = step.clocks.meetings();
  if (wanted.links) outcome.links = network.link_use();
  return outcome;
}

std::optional<Survival> StepPlayer::survival() const {
  return shared_->routes.survival();
}

std::string StepPlayer::routing() const {
  return shared_->routes.description();
}

std::int64_t StepPlayer::routing_steps() const {
  return shared_->routing_steps;
}

std::int64_t StepPlayer::most_tokens() const {
  return shared_->most_tokens;
}

const Deployment& StepPlayer::deployment() const {
  return shared_->deployment;
}

const RankLayout& StepPlayer::layout() const {
  return shared_->layout;
}

const Program& StepPlayer::program() const {
  return shared_->carried.program;
}

namespace {

std::size_t places_of(const sim::OpGraph& graph) {
  std::uint32_t places = kPhases;
  for (sim::OpId id = 0; id < graph.size(); ++id)
    places = std::max(places, graph.label(graph.op(id).label).phase + 1);
  return places;
}

}  // namespace

StepOutcome outcome_of(const PlayedStep& step) {
  StepOutcome outcome{.time = step.time(),
                      .whole = step.timeline.finish - sim::Time{},
                      .account = step.built.account,
                      .path = path_of(step),
                      .links = step.links};
  for (sim::RankTime& rank :
       rank_times(step.built.graph, step.timeline, places_of(step.built.graph), step.windows,
                  step.built.first_op)) {
    outcome.times.add(std::move(rank));
  }
  return outcome;
}

}  // namespace moesim::workloads
