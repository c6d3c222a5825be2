// Whether a deployment can be asked a question of training (read_question.h).
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "hardware/collectives/multicast.h"
#include "workloads/memory/recompute_problems.h"
#include "workloads/training/expert_group.h"
#include "workloads/training/operations.h"
#include "workloads/training/read_question.h"
#include "workloads/training/slow_links.h"

namespace moesim::workloads {
namespace {

void check_batch(const Deployment& d, const TrainingQuestion& q, std::vector<Problem>& problems) {
  const Parallelism& p = d.layout;
  const std::int64_t at_once = q.micro_batch * p.dp;
  if (q.global_batch % at_once != 0) {
    problems.push_back(
        {"training",
         fmt::format("global_batch: {} sequences are no whole number of micro-batches "
                     "of {} on {} dp ranks: a multiple of {} would do",
                     q.global_batch, q.micro_batch, p.dp, at_once),
         ProblemOf::Batch});
  }
  if (q.sequence % (p.tp * p.cp) != 0) {
    problems.push_back({"training",
                        fmt::format("sequence: {} tokens do not divide over tp x cp = {} ranks",
                                    q.sequence, p.tp * p.cp),
                        ProblemOf::Batch});
  } else if (p.cp > 1 && q.sequence % (2 * p.cp) != 0) {
    // Each rank has a piece from either end, so that all have as much of a causal mask.
    problems.push_back(
        {"training",
         fmt::format(
             "sequence: {} tokens do not divide into the 2 x cp = {} pieces that ranks take "
             "of a causal mask: a multiple of {} would do",
             q.sequence, 2 * p.cp, std::lcm(2 * p.cp, p.tp * p.cp)),
         ProblemOf::Batch});
  }
}

void check_model(const ModelSpec& model, std::vector<Problem>& problems) {
  for (std::int64_t l = 0; l < model.layer_count(); ++l) {
    const LayerKind& kind = model.layer(l);
    if (trains(kind.mixer)) continue;
    problems.push_back(
        {"model",
         fmt::format("layer {} of {}, \"{}\", has a mixer whose backward pass is not known "
                     "yet: grouped-query and latent attention are",
                     l, model.name, kind.name)});
    return;
  }
}

void check_formats(const Formats& formats, std::vector<Problem>& problems) {
  using hardware::Precision;
  for (const Precision p : {formats.attention, formats.dense_ffn, formats.experts,
                            formats.shared_experts, formats.other}) {
    if (p != Precision::MXFP4 && p != Precision::NVFP4 && p != Precision::INT4 &&
        p != Precision::INT8)
      continue;
    problems.push_back({"precision", fmt::format("products in {} have no backward pass here: "
                                                 "precision: {{weights: bf16}} would do",
                                                 hardware::name_of(p))});
    return;
  }
}

// An encoder's result goes to every layer of the decoder: stages would send two things.
void check_encoder(const Deployment& d, std::vector<Problem>& problems) {
  if (d.model.encoder_layers == 0) return;
  const Parallelism& p = d.layout;
  if (p.pp > 1 || p.cp > 1)
    problems.push_back(
        {"parallelism", fmt::format("{} has an encoder, which is trained in one stage, by whole "
                                    "sequences: pp 1 and cp 1 would do, not {} and {}",
                                    d.model.name, p.pp, p.cp)});
}

void check_overlap(const Deployment& d, const TrainingQuestion& q, std::vector<Problem>& problems) {
  if (q.overlap.shared_expert && !has_shared_experts(d.model))
    problems.push_back(
        {"training", "overlap.shared_expert: " + d.model.name + " has no shared experts"});
  if (!q.overlap.expert) {
    if (q.overlap.delay_weight_gradients)
      problems.push_back(
          {"training", "overlap.delay_weight_gradients is a part of overlap.expert: set both"});
    return;
  }
  if (!d.model.is_moe())
    problems.push_back({"training", "overlap.expert: " + d.model.name + " has no experts"});
  if (q.recompute.full || q.recompute.moe)
    problems.push_back({"training",
                        "overlap.expert cannot recompute full or moe, which exchange again: "
                        "recompute: [moe_act, layernorm]" +
                            std::string(is_dual(q) ? ", or overlap: {expert: false}," : "") +
                            " would do"});
  if (q.overlap.shared_expert)
    problems.push_back(
        {"training", "overlap.expert leaves no stream for overlap.shared_expert: leave one out"});
}

// Eight bits are gathered where products are in eight bits.
void check_gathered(const Formats& formats, const TrainingQuestion& q,
                    std::vector<Problem>& problems) {
  const auto wide = [](hardware::Precision p) { return hardware::bytes_per_element(p) >= 2; };
  if (q.parameter_bytes >= 2 || !wide(formats.attention) || !wide(formats.experts) ||
      !wide(formats.dense_ffn))
    return;
  problems.push_back({"training",
                      "optimizer.parameters: fp8 is of products in 8 bits, and these are in 16: "
                      "bf16 would do"});
}

void check_recompute(const ModelSpec& model, const Recompute& r, std::vector<Problem>& problems) {
  for (std::string& problem : recompute_problems(model, r))
    problems.push_back({"training", "recompute: " + std::move(problem)});
}

void check_draws(const Deployment& d, const TrainingQuestion& q, std::vector<Problem>& problems) {
  if (q.draws != kAllDraws) return;
  if (d.routing.trace.empty())
    problems.push_back({"training",
                        "draws: all is of a trace: what a law or loads by rank draw has no end: "
                        "draws: 64 would do"});
  else if (d.routing.mapping.tokens == TokenMapping::Resample ||
           d.routing.mapping.tokens == TokenMapping::Repeat)
    problems.push_back({"training",
                        "draws: all: what is resampled or repeated has no end: draws: 64, or "
                        "routing.tokens: exact, would do"});
}

void check_sharding(const Deployment& d, const TrainingQuestion& q,
                    std::vector<Problem>& problems) {
  if (!q.sharding_group) return;
  const std::int64_t group = *q.sharding_group, sharers = d.layout.dp * d.layout.cp;
  if (sharers % group != 0)
    problems.push_back(
        {"training",
         fmt::format("sharding_group: {} does not divide dp x cp = {} ranks", group, sharers)});
  else if (q.sharding == Sharding::None)
    problems.push_back({"training",
                        "sharding_group is of ranks that share, and sharding: none shares nothing: "
                        "leave it out"});
  else if (group == 1 && sharers > 1 && q.sharding != Sharding::Optimizer)
    problems.push_back(
        {"training", "sharding_group: a group of 1 shares nothing: sharding: none would do"});
}

// DeepEP's low-latency kernels have buffers for so many tokens of a rank.
void check_low_latency(const Deployment& d, const TrainingQuestion& q,
                       std::vector<Problem>& problems) {
  if (d.tokens != hardware::MulticastAlgorithm::DeepEpLowLatency || !d.model.is_moe()) return;
  const Parallelism& p = d.layout;
  const std::int64_t each = p.cp * p.tp;
  const std::int64_t tokens = (q.micro_batch * q.sequence + each - 1) / each;
  if (tokens > kMostDispatchTokens)
    problems.push_back(
        {"kernels", fmt::format("all_to_all: deepep_low_latency takes {} tokens of a rank at most, "
                                "not {}: deepep_normal would do",
                                kMostDispatchTokens, tokens)});
}

}  // namespace

std::vector<Problem> check(const Deployment& d, const TrainingQuestion& q) {
  std::vector<Problem> problems;
  check_model(d.model, problems);
  check_formats(d.formats, problems);
  check_gathered(d.formats, q, problems);
  check_encoder(d, problems);
  check_batch(d, q, problems);
  if (std::string wrong = group_problem(d.layout); !wrong.empty())
    problems.push_back({"parallelism", std::move(wrong)});
  if (d.overlap.two_batch || d.overlap.shared_expert)
    problems.push_back({"overlap", "training has its own: training.overlap.expert, shared_expert"});
  if (!d.engine.name.empty())
    problems.push_back({"engine", "an engine serves; training has none: leave it out"});
  if (d.placement.redundant > 0 || d.placement.balancer != "none")
    problems.push_back({"placement",
                        "training keeps one copy of every expert: leave out redundant "
                        "ones and the balancer"});
  check_overlap(d, q, problems);
  check_recompute(d.model, q.recompute, problems);
  check_draws(d, q, problems);
  if (q.micro_batch_group && q.schedule != ScheduleName::Interleaved)
    problems.push_back({"training",
                        "micro_batch_group is of interleaved, which takes so many micro-batches "
                        "chunk by chunk: leave it out"});
  check_sharding(d, q, problems);
  check_low_latency(d, q, problems);
  if (d.host.graphs == Graphs::Decode && d.engine.name.empty())  // an engine sets it
    problems.push_back(
        {"host",
         "graphs: decode is of serving: none, all or a list of attn, mlp, moe_router, "
         "moe_preprocess, shared_experts would do"});
  if (q.run && !q.run->routing.empty() && (!d.model.is_moe() || q.is_filled()))
    problems.push_back({"training",
                        "run.routing: without experts, or with a capacity that is filled up, the "
                        "routing makes no step longer: leave it out"});
  if (q.exchange_sms && !hardware::traits_of(d.tokens).holds_given)
    problems.push_back(
        {"training",
         fmt::format("exchange_sms: kernels of {} hold as many multiprocessors as they need: "
                     "kernels: {{all_to_all: deepep_normal}} or hybrid_ep would take {}",
                     hardware::traits_of(d.tokens).name, *q.exchange_sms)});
  if (!q.schedule && d.layout.pp > 1)
    problems.push_back({"training", fmt::format("schedule: none is of one stage, not of pp = {}: "
                                                "1f1b would do",
                                                d.layout.pp)});
  if (!problems.empty()) return problems;
  if (std::string wrong = slow_links_problem(d); !wrong.empty())
    problems.push_back({"cluster", "faults: " + wrong});
  const ScheduleShape shape{.ranks = d.layout.pp,
                            .micro_batches = q.micro_batches(d.layout.dp),
                            .chunks = q.virtual_stages,
                            .group = q.micro_batch_group.value_or(0),
                            .overlap_passes = q.overlap.expert};
  for (std::string& problem : problems_of(q.schedule.value_or(ScheduleName::OneFOneB), shape))
    problems.push_back({"training", "schedule: " + std::move(problem)});
  return problems;
}

std::vector<Problem> check_host(const Host& host) {
  std::vector<Problem> problems;
  if (host.operation_given)
    problems.push_back({"host", "per_operation is of training: leave it out"});
  for (std::size_t i = 0; i < host.recorded.size(); ++i) {
    if (!host.recorded[i]) continue;
    problems.push_back({"host", "a list of graphs is of training: none, decode or all would do"});
    break;
  }
  return problems;
}

}  // namespace moesim::workloads
