// What a run of training does in a second, roughly and at once, so that tens of thousands can be
// put in order: by layers that are played once for all runs that share out a micro-batch alike.
//
// Of each kind of layer, and of the ends of the model, a forward and a backward pass are played
// with every expert as busy, at the bound of the busiest ports. A stage takes the sum of its
// layers, a step what no order of its passes is shorter than (least_step), and behind it what
// replicas owe each other (training/data_parallel.h). Mixture layers are longer by what the routing
// makes of a few of them, spread over the model, one draw each. Left out: bubbles beyond that,
// sends between stages, how far a host is ahead over several layers.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "hardware/kernels/kernels.h"
#include "tools/study/plan/schedule_sketch.h"
#include "workloads/deployment/deployment.h"
#include "workloads/training/question.h"

namespace moesim::tools {

class TrainingParts {
 public:
  TrainingParts();
  ~TrainingParts();
  TrainingParts(TrainingParts&&) noexcept;

  // Tokens a second, what failures and checkpoints lose taken off. `setting`: of which model,
  // device and question the run is. REQUIRES: check(deployment, question) finds nothing,
  // question.run
  double tokens_per_s(std::size_t setting, const workloads::Deployment& deployment,
                      const workloads::TrainingQuestion& question);

 private:
  // How a micro-batch is shared out: setting, tp, cp, ep, etp.
  using Sharing = std::array<std::int64_t, 5>;
  // Of a micro-batch: its size, and what is computed again.
  using Passes = std::array<std::int64_t, 4>;
  // Which chunks a rank has, over which replicas: setting, tp, cp, ep, etp, pp, dp, stages, route.
  using Replicas = std::array<std::int64_t, 9>;

  struct Layers;
  const Layers& layers_of(const Sharing& sharing, const workloads::Deployment& deployment,
                          const workloads::TrainingQuestion& question, bool woven);
  double slowdown_of(const Sharing& sharing, const workloads::Deployment& deployment,
                     const workloads::TrainingQuestion& question);
  sim::Duration owed_of(std::size_t setting, const workloads::Deployment& deployment,
                        const workloads::TrainingQuestion& question, const ScheduleSketch& sketch);

  ScheduleSketches sketches_;
  std::map<std::pair<Sharing, Passes>, std::unique_ptr<Layers>> layers_;
  std::map<Sharing, double> slowdown_;
  std::map<Replicas, sim::Duration> owed_;
  std::map<std::size_t, hardware::Kernels> kernels_;  // of each setting
};

}  // namespace moesim::tools
