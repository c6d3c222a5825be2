#include "tools/study/plan/training_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "workloads/training/question_names.h"
#include "workloads/training/read_question.h"
#include "workloads/training/step_time.h"

namespace moesim::tools {
namespace {

using workloads::Recompute;
using workloads::ScheduleName;
using workloads::TrainingQuestion;

Recompute recomputed(Recomputing level, const workloads::ModelSpec& model) {
  if (level == Recomputing::None) return {};
  if (level == Recomputing::Full) return {.full = true};
  const bool latent = std::ranges::any_of(model.kinds, [](const workloads::LayerKind& kind) {
    return std::holds_alternative<workloads::MlaAttention>(kind.mixer);
  });
  return {.mla_up_proj = latent, .moe_act = model.is_moe(), .layernorm = true};
}

std::vector<TrainingChoice> schedules_of(const TrainingSpace& space, std::int64_t pp) {
  if (pp == 1) return {{}};
  std::vector<TrainingChoice> all;
  for (const ScheduleName name : space.schedules) {
    if (name != ScheduleName::Interleaved) {
      all.push_back({.schedule = name});
      continue;
    }
    for (const std::int64_t v : space.virtual_stages)
      all.push_back({.schedule = name, .virtual_stages = v});
  }
  return all;
}

// Whether the model has as many layers as there are stages, and the schedule so many micro-batches.
// A batch that does not divide is refused for that, later.
// `q`: asked with the choice.
bool admitted(TrainingQuestion& q, const TrainingChoice& choice,
              const workloads::Parallelism& layout, std::int64_t layers) {
  q.micro_batch = choice.micro_batch;
  q.schedule = choice.schedule;
  q.virtual_stages = choice.virtual_stages;
  // What is not said follows the schedule (settle_overlap): nothing stands against that.
  if (!q.overlap.expert_given) q.overlap.expert = false;
  const std::int64_t counted = layers + (q.count_embedding ? 1 : 0) + (q.count_loss ? 1 : 0);
  if (workloads::stages_of(q, layout.pp) > counted) return false;
  if (q.global_batch % (q.micro_batch * layout.dp) != 0) return true;
  return problems_of(workloads::schedule_name(q), workloads::shape_of(q, layout)).empty();
}

}  // namespace

std::vector<TrainingChoice> choices_of(const TrainingSpace& space,
                                       const workloads::Parallelism& layout,
                                       const workloads::ModelSpec& model,
                                       const TrainingQuestion& question) {
  std::vector<TrainingChoice> all;
  TrainingQuestion asked = question;
  for (TrainingChoice choice : schedules_of(space, layout.pp)) {
    for (const std::int64_t micro_batch : space.micro_batch) {
      choice.micro_batch = micro_batch;
      if (!admitted(asked, choice, layout, model.layer_count())) continue;
      for (const Recomputing recompute : space.recompute) {
        choice.recompute = recompute;
        all.push_back(choice);
      }
    }
  }
  return all;
}

TrainingQuestion with_choice(TrainingQuestion q, const TrainingChoice& choice, std::int64_t pp,
                             const workloads::ModelSpec& model) {
  q.micro_batch = choice.micro_batch;
  q.schedule = choice.schedule;
  q.virtual_stages = choice.virtual_stages;
  q.recompute = recomputed(choice.recompute, model);
  if (q.schedule != workloads::ScheduleName::Interleaved) q.micro_batch_group.reset();
  workloads::settle_overlap(q, model);
  q.stages = workloads::even_stages({.stages = workloads::stages_of(q, pp),
                                     .layers = model.layer_count(),
                                     .predictions = q.predictions},
                                    q.count_embedding, q.count_loss);
  return q;
}

std::vector<std::pair<std::string, std::string>> keys_of(const TrainingChoice& choice,
                                                         const workloads::ModelSpec& model) {
  std::vector<std::pair<std::string, std::string>> keys{
      {"training.micro_batch", std::to_string(choice.micro_batch)},
      {"training.schedule",
       choice.schedule ? std::string(workloads::name_of(*choice.schedule)) : "none"}};
  if (choice.virtual_stages > 1)
    keys.emplace_back("training.virtual_stages", std::to_string(choice.virtual_stages));
  const Recompute recompute = recomputed(choice.recompute, model);
  std::string list;
  for (std::size_t i = 0; i < workloads::kRecompute.size(); ++i) {
    if (!(recompute.*workloads::kRecomputeMembers[i])) continue;
    list += (list.empty() ? "" : ", ") + std::string(workloads::kRecompute[i]);
  }
  if (!list.empty()) keys.emplace_back("training.recompute", "[" + list + "]");
  return keys;
}

std::string name_of(const TrainingChoice& choice) {
  std::string text = fmt::format("micro-batch {}", choice.micro_batch);
  if (choice.schedule) text += fmt::format(", {}", workloads::name_of(*choice.schedule));
  if (choice.virtual_stages > 1) text += fmt::format(" {}", choice.virtual_stages);
  if (choice.recompute != Recomputing::None)
    text += fmt::format(", {} recompute",
                        kRecomputingNames[static_cast<std::size_t>(choice.recompute)]);
  return text;
}

}  // namespace moesim::tools
