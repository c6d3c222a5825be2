// Prices steps of one deployment: builds each as an op graph and plays it on the cluster's links.
// Owns what steps share; a step is a function of the deployment, the batch and the routing.
//
//   const Deployment mixtral{.model = load_model(…), .cluster = hardware::load_cluster(…),
//                            .layout = {.dp = 8, .ep = 8}};
//   const Batch small = on_every_rank({decoding(32, 4096)}), large = on_every_rank({decoding(64,
//   4096)}); StepPlayer player(mixtral, {.fullest = large}); const sim::Duration a =
//   player.play(small).time(), b = player.play(large).time();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hardware/network/network_model.h"
#include "sim/timeline.h"
#include "workloads/step/factors.h"
#include "workloads/step/weave.h"

namespace moesim::workloads {

// What a player will be asked. The routing of a step starts at a multiple of the fullest batch's
// tokens, so equal envelopes price equal batches equally.
struct Envelope {
  Batch fullest;                   // the most tokens of any step
  std::int64_t routing_steps = 1;  // different steps of the routing
};

struct PlayedStep {
  BuiltStep built;
  sim::Timeline timeline;
  // Of each rank, the part of its time that is this step. In a pipeline it ends when the rank is
  // done with its last micro-batch, and is as long as the step: what lies before in the timeline
  // filled the pipeline, what lies after would be the next step's.
  std::vector<sim::Window> windows;
  std::vector<hardware::LinkUse> links;  // of the whole timeline

  sim::Duration time() const { return windows.front().to - windows.front().from; }
};

// What a step comes to, without its operations.
struct StepOutcome {
  sim::Duration time{};
  sim::Duration whole{};  // with what filled a pipeline
  StepAccount account;
  RankTimes times = {};                       // how the ranks' time divides, over their windows
  PhaseTimes path{};                          // what the step waited for (factors.h)
  std::vector<hardware::LinkUse> links = {};  // of all of it
  Meetings meetings = {};                     // of a step on clocks (rank_clocks.h)
};
StepOutcome outcome_of(const PlayedStep& step);

// What of an outcome is wanted beside its time and account; the rest is left empty.
struct Wanted {
  bool ranks = true, path = true, links = true;
  bool host = true;  // else as if the host took no time between steps
  bool meetings = false;
  // Whether the kernels of decodes carry the tokens, where there are such (token_kernels.h); none:
  // as the batch has it, which is to be told where it stands for another.
  std::optional<bool> decode_kernels = {};
};

class StepPlayer {
 public:
  // The deployment outlives the player. Throws ConfigError where check(deployment) finds something
  // or the deployment names what there is not, InputError for its trace.
  StepPlayer(const Deployment& deployment, const Envelope& envelope);
  ~StepPlayer();
  StepPlayer(StepPlayer&&) noexcept;
  // Another one of the same deployment and envelope, for another thread: it plays the same steps.
  // What prices point to (Trust::use) is shared.
  StepPlayer another() const;

  // REQUIRES: a batch of no more tokens than the envelope's, routing_step below its number
  PlayedStep play(const Batch& batch, std::int64_t routing_step = 0, bool host = true);
  // outcome_of(play(…)), on clocks (rank_clocks.h) where the network is a closed form: no graph.
  StepOutcome outcome(const Batch& batch, std::int64_t routing_step = 0, const Wanted& wanted = {});

  // What the routing is, and how it was mapped onto the model.
  std::string routing() const;
  // What the placement of the experts survives; none without experts.
  std::optional<Survival> survival() const;
  // Of the envelope: steps, and tokens of all dp ranks.
  std::int64_t routing_steps() const;
  std::int64_t most_tokens() const;
  const Deployment& deployment() const;
  const RankLayout& layout() const;
  const Program& program() const;  // what a step is made of

 private:
  struct Shared;
  PlayedStep played(const Batch& batch, std::int64_t routing_step, bool host, bool decode_kernels);
  explicit StepPlayer(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace moesim::workloads
