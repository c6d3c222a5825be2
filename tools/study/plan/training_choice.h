// What of a run of training a plan searches beside its layout: the micro-batch, what is computed
// again, the schedule.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/training/question.h"

namespace moesim::tools {

// Selective: norms, the experts' activation, latent attention's projections up, as far as the model
// has them. Full: whole layers.
enum class Recomputing { None, Selective, Full };
inline constexpr std::array<std::string_view, 3> kRecomputingNames{"none", "selective", "full"};

struct TrainingChoice {
  std::int64_t micro_batch = 1;  // sequences
  Recomputing recompute = Recomputing::None;
  std::optional<workloads::ScheduleName> schedule = {};  // none: one stage
  std::int64_t virtual_stages = 1;
};

// Without gpipe, which is as long as 1f1b and keeps more.
struct TrainingSpace {
  std::vector<std::int64_t> micro_batch = {1, 2, 4};
  std::vector<Recomputing> recompute = {Recomputing::None, Recomputing::Selective,
                                        Recomputing::Full};
  std::vector<workloads::ScheduleName> schedules = {
      workloads::ScheduleName::OneFOneB, workloads::ScheduleName::Interleaved,
      workloads::ScheduleName::ZbH1,     workloads::ScheduleName::ZbV,
      workloads::ScheduleName::DualPipe, workloads::ScheduleName::DualPipeV};
  std::vector<std::int64_t> virtual_stages = {2, 4};  // of interleaved
};

// A run that is to be done in time.
struct TrainingGoal {
  double tokens = 0, days = 0;
  std::string text = {};       // YAML text of a scenario's `training`, but for what is searched
  bool failures_told = false;  // by that: else they are as the GPUs' reliability says
};

// What the layout admits: schedules of its stages, in the space's order; each with
// every micro-batch, then with all that may be computed again. Whether the batch divides is left
// open.
std::vector<TrainingChoice> choices_of(const TrainingSpace& space,
                                       const workloads::Parallelism& layout,
                                       const workloads::ModelSpec& model,
                                       const workloads::TrainingQuestion& question);

// The question with that choice, its stages cut anew. REQUIRES: the layout admits it
workloads::TrainingQuestion with_choice(workloads::TrainingQuestion question,
                                        const TrainingChoice& choice, std::int64_t pp,
                                        const workloads::ModelSpec& model);

// Keys of a scenario and their values as YAML text: "training.micro_batch", "2".
std::vector<std::pair<std::string, std::string>> keys_of(const TrainingChoice& choice,
                                                         const workloads::ModelSpec& model);

// "micro-batch 2, interleaved 4, full recompute"
std::string name_of(const TrainingChoice& choice);

}  // namespace moesim::tools
