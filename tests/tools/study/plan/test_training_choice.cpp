#include "tools/study/plan/training_choice.h"

#include <doctest/doctest.h>

#include <string>

#include "workloads/model/model_spec.h"

using namespace moesim;
using namespace moesim::tools;
using workloads::ScheduleName;

namespace {

workloads::Deployment mixtral(std::int64_t pp, std::int64_t dp) {
  workloads::Deployment d;
  d.model = workloads::load_model("configs/models/mixtral-8x7b.yaml");
  d.layout.pp = pp;
  d.layout.dp = dp;
  return d;
}

std::vector<TrainingChoice> choices_for(const TrainingSpace& space, const workloads::Deployment& d,
                                        const workloads::TrainingQuestion& question) {
  return choices_of(space, d.layout, d.model, question);
}

std::vector<std::string> names(const std::vector<TrainingChoice>& choices) {
  std::vector<std::string> all;
  for (const TrainingChoice& choice : choices) all.push_back(name_of(choice));
  return all;
}

using Names = std::vector<std::string>;
using Keys = std::vector<std::pair<std::string, std::string>>;

}  // namespace

TEST_CASE("one stage has no schedule to choose") {
  const auto choices = choices_for({.micro_batch = {1, 4}}, mixtral(1, 2), {.global_batch = 8});
  CHECK(names(choices) == Names{"micro-batch 1", "micro-batch 1, selective recompute",
                                "micro-batch 1, full recompute", "micro-batch 4",
                                "micro-batch 4, selective recompute",
                                "micro-batch 4, full recompute"});
}

TEST_CASE("a pipeline has the schedules that its micro-batches and layers admit") {
  TrainingSpace space{.micro_batch = {1, 2}, .recompute = {Recomputing::None}};
  // Eight micro-batches of one on four ranks: all of them; of two there are four: neither dualpipe,
  // which wants two for each rank.
  CHECK(names(choices_for(space, mixtral(4, 1), {.global_batch = 8})) ==
        Names{"micro-batch 1, 1f1b", "micro-batch 2, 1f1b", "micro-batch 1, interleaved 2",
              "micro-batch 2, interleaved 2", "micro-batch 1, interleaved 4",
              "micro-batch 2, interleaved 4", "micro-batch 1, zb_h1", "micro-batch 2, zb_h1",
              "micro-batch 1, zb_v", "micro-batch 2, zb_v", "micro-batch 1, dualpipe",
              "micro-batch 1, dualpipe_v"});
  // 32 layers on 16 ranks: four chunks a rank would be 64 stages.
  space.schedules = {ScheduleName::Interleaved};
  space.micro_batch = {1};
  CHECK(names(choices_for(space, mixtral(16, 1), {.global_batch = 32})) ==
        Names{"micro-batch 1, interleaved 2"});
  // A batch that does not divide is left for who refuses it.
  space.schedules = {ScheduleName::DualPipe};
  CHECK(choices_for(space, mixtral(4, 3), {.global_batch = 8}).size() == 1);
}

TEST_CASE("a choice as a question, and as keys of a scenario") {
  const TrainingChoice choice{.micro_batch = 2,
                              .recompute = Recomputing::Selective,
                              .schedule = ScheduleName::Interleaved,
                              .virtual_stages = 2};
  const workloads::Deployment d = mixtral(4, 1);
  const auto q = with_choice({.global_batch = 16}, choice, 4, d.model);
  CHECK(q.micro_batch == 2);
  CHECK(q.schedule == ScheduleName::Interleaved);
  CHECK(q.stages.size() == 8);
  CHECK(q.stages.back().loss);
  CHECK(q.recompute.layernorm);
  CHECK(q.recompute.moe_act);
  CHECK_FALSE(q.recompute.mla_up_proj);
  CHECK_FALSE(q.recompute.full);
  CHECK(keys_of(choice, d.model) == Keys{{"training.micro_batch", "2"},
                                         {"training.schedule", "interleaved"},
                                         {"training.virtual_stages", "2"},
                                         {"training.recompute", "[moe_act, layernorm]"}});
  // Without experts there is no activation of theirs; latent attention has projections up.
  const auto dense = workloads::load_model("configs/models/llama-3-8b.yaml");
  CHECK(keys_of({.recompute = Recomputing::Selective}, dense).back().second == "[layernorm]");
  const auto latent = workloads::load_model("configs/models/deepseek-v3.yaml");
  CHECK(keys_of({.recompute = Recomputing::Selective}, latent).back().second ==
        "[mla_up_proj, moe_act, layernorm]");
  CHECK(keys_of({.recompute = Recomputing::Full}, latent) ==
        Keys{{"training.micro_batch", "1"},
             {"training.schedule", "none"},
             {"training.recompute", "[full]"}});
  CHECK(keys_of({}, latent) == Keys{{"training.micro_batch", "1"}, {"training.schedule", "none"}});
}
