#include "workloads/run_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/error.h"
#include "sim/units_text.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/report/describe.h"
#include "workloads/report/energy.h"
#include "workloads/report/loads.h"
#include "workloads/report/provenance.h"
#include "workloads/step/rank_ops.h"
#include "workloads/training/expert_group.h"
#include "workloads/training/memory_plan.h"
#include "workloads/training/step_loads.h"
#include "workloads/training/step_scatter.h"
#include "workloads/training/step_time.h"
#include "workloads/training/training_report.h"
#include "workloads/training/weaver.h"
#include "workloads/training_bottleneck.h"
#include "workloads/training_left_out.h"

namespace moesim::workloads {
namespace {

std::string what_of(const Deployment& d, const TrainingQuestion& q) {
  const Parallelism& p = d.layout;
  const std::string layout = layout_text(p);
  return fmt::format(
      "{} on {} of {} {}{}: training, {} sequences of {} tokens a step, {} micro-batches of {}, {}",
      d.model.name, p.gpus(), d.cluster.ranks(), d.cluster.device.name,
      layout.empty() ? "" : ", " + layout, q.global_batch, q.sequence, q.micro_batches(p.dp),
      q.micro_batch, q.schedule ? std::string(name_of(*q.schedule)) : "one stage");
}

void fill_stages(const PipelineSchedule& schedule, const TrainingQuestion& q, const StepTime& step,
                 ChunkTable& chunks, TrainingReport& report) {
  struct Sum {
    double us = 0;
    std::int64_t count = 0;
    void add(sim::Duration time) { us += sim::to_us(time), ++count; }
    double mean() const { return count == 0 ? 0 : us / static_cast<double>(count); }
  };
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    for (std::uint32_t c = 0; c < schedule.chunks; ++c) {
      std::array<Sum, 5> sums;
      for (std::size_t i = 0; i < step.passes[r].size(); ++i) {
        const ChunkPass& pass = step.passes[r][i];
        if (step.pipeline.ranks[r][i].action.pass.chunk != c) continue;
        sums[pass.beside ? 4 : static_cast<std::size_t>(pass.kind)].add(chunks.of(pass).time);
      }
      report.stages.push_back(
          {.rank = r,
           .chunk = c,
           .layers = q.stages[schedule.stage({r, c})].layers,
           .f_us = sums[static_cast<std::size_t>(PassKind::Forward)].mean(),
           .b_us = sums[static_cast<std::size_t>(PassKind::BackwardInput)].mean(),
           .w_us = sums[static_cast<std::size_t>(PassKind::BackwardWeight)].mean(),
           .bw_us = sums[static_cast<std::size_t>(PassKind::Backward)].mean(),
           .fb_us = sums[4].mean()});
    }
  }
}

struct Account {
  double flops = 0;  // of all GPUs
  PhaseBounds bounds{};
};

// Arithmetic, phases, whose numbers they rest on, and how far the step may be off.
Account account(const Deployment& d, const StepTime& step, ChunkTable& chunks, Report& report) {
  double low = 0, high = 0, exposed_sum = 0;
  Account sums;
  Ledger ledger;
  std::map<ChunkPass, std::int64_t> counts;
  for (const auto& rank : step.passes)
    for (const ChunkPass& pass : rank) ++counts[pass];
  const Parallelism& p = d.layout;
  const std::int64_t all_groups = p.tp * p.cp * p.dp / group_ranks(p);
  const auto groups = static_cast<double>(all_groups);
  const double ranks = static_cast<double>(p.pp);
  std::array<double, kPhases> time{}, p10{}, p90{};
  for (const auto& [pass, count] : counts) {
    const PlayedChunk& chunk = chunks.of(pass);
    const auto times = static_cast<double>(count);
    for (std::size_t i = 0; i < kPhases; ++i) {
      PhaseReport& phase = report.phases[i];
      phase.exposed_us += times * sim::to_us(chunk.exposed[i]) / ranks;
      phase.waiting_us += times * sim::to_us(chunk.waiting[i]) / ranks;
      phase.flops += times * groups * chunk.work[i].flops.count();
      phase.memory_bytes += times * groups * static_cast<double>(chunk.work[i].bytes.count());
      sums.flops += times * groups * chunk.work[i].flops.count();
      for (std::size_t b = 0; b < sums.bounds[i].size(); ++b)
        sums.bounds[i][b] += times * sim::to_us(chunk.work[i].by_bound[b]);
      for (const Work* work : {&chunk.work[i], &chunk.exchanged[i]}) {
        ledger.add(i, work->priced, times);
        phase.busy_us +=
            times * sim::to_us(work->time) / ranks / static_cast<double>(chunks.ranks());
        time[i] += times * static_cast<double>(work->time.count());
        p10[i] += times * work->p10_ps;
        p90[i] += times * work->p90_ps;
      }
    }
    PhaseReport& collectives = report.phases[index_of(Phase::Collectives)];
    collectives.exposed_us += times * sim::to_us(chunk.exposed[kContextPhase]) / ranks;
    collectives.waiting_us += times * sim::to_us(chunk.waiting[kContextPhase]) / ranks;
  }
  for (std::size_t i = 0; i < kPhases; ++i) {
    if (time[i] == 0) continue;
    const double exposed = report.phases[i].exposed_us;
    exposed_sum += exposed;
    low += exposed * (p10[i] / time[i] - 1);
    high += exposed * (p90[i] / time[i] - 1);
  }
  const double us = sim::to_us(step.step);
  // A pipeline's bubble is as long as the passes that it waits for.
  const double scale = exposed_sum > 0 ? us / exposed_sum : 1;
  report.interval["step_time_us"] = {.p10 = us + low * scale, .p90 = us + high * scale};
  double rest = us;
  for (const TrainingReport::RankRow& row : step.ranks) {
    const auto at = [&](Exposed kind) {
      return row.exposed_us[static_cast<std::size_t>(kind)] / ranks;
    };
    report.phases[index_of(Phase::Pipeline)].exposed_us += at(Exposed::Pipeline);
    report.phases[index_of(Phase::Collectives)].exposed_us +=
        at(Exposed::Gradients) + at(Exposed::Parameters);
    report.phases[index_of(Phase::Other)].exposed_us += row.optimizer_us / ranks;
  }
  for (const PhaseReport& phase : report.phases) rest -= phase.exposed_us;
  report.idle_us = std::max(0.0, rest);
  ledger.write(d, report);
  return sums;
}

// What routing comes to: on experts and ranks, and in sums. With a capacity that is filled up rows
// are those of the capacity, and the selections that have none are missing.
void count_routing(const Deployment& d, const TrainingQuestion& q, ChunkTable& chunks,
                   Report& report, TrainingReport& training) {
  const ModelSpec& model = d.model;
  Conservation& sums = report.conservation;
  sums.tokens = q.global_batch * q.sequence;
  const auto add = [&](const Ffn& ffn) {
    const auto* moe = std::get_if<MoeFfn>(&ffn);
    if (moe == nullptr) return;
    sums.routed_tokens += sums.tokens;
    sums.selections += sums.tokens * moe->top_k;
  };
  for (std::int64_t l = 0; l < model.layer_count(); ++l) add(model.layer(l).ffn);
  for (std::int64_t i = 0; i < q.predictions; ++i) add(model.kinds[model.prediction_kind].ffn);
  if (!model.is_moe()) return;
  const StepLoads loads = loads_of(d, q, chunks);
  write_loads(loads.layers, report);
  sums.rows = loads.rows;
  const auto share = [](std::int64_t part, std::int64_t of) {
    return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0;
  };
  training.aligned_share = share(loads.aligning, sums.rows + loads.aligning);
  if (!q.is_filled()) {
    training.dropped_share = share(loads.dropped, sums.selections);
    sums.missing = sums.selections - sums.rows;
    return;
  }
  const FilledCapacity filled = filled_capacity(d, q, loads);
  training.dropped_share = share(filled.dropped, sums.selections);
  training.padding_share = share(filled.padding, sums.rows);
  sums.missing = sums.selections - filled.kept;
  report.routing = filled.routing + ", every expert filled up to its capacity";
}

// A step with a routing.
struct Routed {
  const Deployment& deployment;
  ChunkTable& chunks;
  const StepTime& step;
};

MemoryReport memory_row(const TrainingPlan& plan) {
  const TrainingMemory& gpu = plan.gpu();
  return {.weights = gpu.weights + gpu.gradients + gpu.optimizer,
          .activations = gpu.activations + gpu.temporaries,
          .buffers = gpu.buffers,
          .context = gpu.context,
          .peak = gpu.peak(),
          .capacity = plan.capacity,
          .fits = plan.fits()};
}

// What each pipeline rank keeps, and over time; in place of what is written there if it is more.
// Returns whether it is.
bool write_memory(const Routed& routed, const TrainingQuestion& q, const PipelineSchedule& schedule,
                  Report& report, TrainingReport& training) {
  const auto& [d, chunks, step] = routed;
  const TrainingPlan plan = memory_of(d, q, schedule, step, chunks);
  if (plan.gpu().peak() <= report.memory.peak) return false;
  training.memory.clear();
  for (std::size_t r = 0; r < plan.stages.size(); ++r)
    training.memory.push_back({static_cast<std::int64_t>(r), plan.stages[r]});
  training.capacity = plan.capacity;
  report.memory = memory_row(plan);
  if (!plan.fits()) report.memory.advice = advice_of(d, q, schedule, step, chunks, plan);
  training.memory_timeline.clear();
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    TrainingReport::Kept& kept = training.memory_timeline.emplace_back();
    kept.rank = r;
    for (const auto& [at, bytes] : kept_over_time(d, q, schedule, step, chunks, r))
      kept.instants.emplace_back(sim::to_us(at - sim::Time{}), static_cast<double>(bytes));
  }
  return true;
}

// The pipeline as operations: a rank of the graph is a pipeline rank. In the middle one's passes,
// what the first rank of the expert group does in them, its exchanges and collectives on streams of
// their own.
Recording record(const PipelineSchedule& schedule, const StepTime& step, ChunkTable& chunks) {
  Recording recording{.graph = sim::OpGraph(schedule.size(), kTrainingStreams), .timeline = {}};
  std::map<ChunkPass, ChunkTable::Recorded> known;
  const auto inside = [&](std::uint32_t r, const ChunkPass& pass, sim::Time start) {
    auto found = known.find(pass);
    if (found == known.end()) found = known.emplace(pass, chunks.record(pass)).first;
    const ChunkTable::Recorded& played = found->second;
    for (sim::OpId id = 0; id < played.graph.size(); ++id) {
      const sim::Op& op = played.graph.op(id);
      const sim::Span& span = played.timeline.spans[id];
      if (op.rank != 0 || op.kind == sim::OpKind::Delay || span.start == span.end) continue;
      const sim::LabelId label = recording.graph.add_label(played.graph.label(op.label));
      recording.graph.add_compute(r, op.stream, label, span.end - span.start, {});
      recording.timeline.spans.push_back(
          {start + (span.start - sim::Time{}), start + (span.end - sim::Time{})});
    }
  };
  const auto name = [&](std::uint32_t rank, const Pass& pass) {
    constexpr std::array<const char*, 4> kLetters{"F", "B", "W", "BW"};
    return fmt::format("{} {} stage {}", kLetters[static_cast<std::size_t>(pass.kind)],
                       pass.micro_batch, schedule.stage({rank, pass.chunk}));
  };
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    for (std::size_t i = 0; i < step.pipeline.ranks[r].size(); ++i) {
      const PlayedAction& a = step.pipeline.ranks[r][i];
      std::string text = name(r, a.action.pass);
      if (a.action.beside) text += ", " + name(r, *a.action.beside);
      const sim::LabelId label =
          recording.graph.add_label({.name = std::move(text), .phase = index_of(Phase::Pipeline)});
      recording.graph.add_compute(r, 0, label, a.end - a.start, {});
      recording.timeline.spans.push_back({a.start, a.end});
      recording.timeline.finish = std::max(recording.timeline.finish, a.end);
      if (r == schedule.size() / 2) inside(r, step.passes[r][i], a.start);
    }
  }
  return recording;
}

// How long the steps of a run's parts are; memory is the fullest one's.
std::vector<double> play_parts(Deployment d, const TrainingQuestion& q,
                               const PipelineSchedule& schedule, const DataParallel& replicas,
                               Report& report, TrainingReport& training) {
  std::vector<double> steps_us;
  const RunRouting* fullest = nullptr;
  for (const RunRouting& part : q.run->routing) {
    d.routing.trace = part.trace;
    ChunkTable chunks(d, q);
    const StepTime step = time_step(d, q, schedule, replicas, chunks);
    // GPUs are as late with one routing as with another.
    steps_us.push_back(sim::to_us(step.step) * training.mean_us() / training.step_us);
    training.run_steps.emplace_back(part.from, steps_us.back());
    if (write_memory({d, chunks, step}, q, schedule, report, training)) fullest = &part;
  }
  if (fullest != nullptr) {
    training.memory_from = fullest->from;
    report.notes.push_back(
        fmt::format("memory is of the part of the run from {:g} % on, its fullest: {}",
                    100 * fullest->from, fullest->trace.filename().string()));
  }
  return steps_us;
}

}  // namespace

RunResult run_training(const Scenario& scenario, const RunOptions& options) {
  const Deployment& d = scenario.deployment;
  const TrainingQuestion& q = *scenario.training();
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  const DataParallel replicas(d, q, schedule, kernels);
  const StepTime step = time_step(d, q, schedule, replicas, chunks);

  RunResult result;
  Report& report = result.report;
  write_scenario(scenario, report);
  report.what = what_of(d, q);
  report.gpus = d.layout.gpus();
  report.routing = chunks.routing();
  for (std::string& note : notes_of(d.engine)) report.notes.push_back(std::move(note));
  for (std::string& note : block_notes(d.engine, d.model, d.layout, d.formats))
    report.notes.push_back(std::move(note));
  const double alone_us = sim::to_us(step.step);  // no GPU is late
  if (q.jitter.given()) {
    for (const sim::Duration one : late_steps(d, q, schedule, replicas, chunks))
      report.step_times_us.push_back(sim::to_us(one));
  } else {
    report.step_times_us = {alone_us};
  }
  report.step_time_us = distribution_of(report.step_times_us);

  auto training = std::make_shared<TrainingReport>();
  training->schedule = q.schedule ? std::string(name_of(*q.schedule)) : "none";
  training->micro_batches = q.micro_batches(d.layout.dp);
  training->tokens_per_step = static_cast<double>(q.global_batch) * static_cast<double>(q.sequence);
  training->step_us = alone_us;
  training->jitter = q.jitter;
  if (q.jitter.given()) training->late = late_steps_of(report.step_times_us);
  // What a step of many takes: throughput, and all that is counted by it.
  const double us = training->mean_us();
  training->ranks = step.ranks;
  training->bubble_share = step.bubble_share;
  training->bubble_schedule_share = step.bubble_schedule_share;
  training->draws = chunks.draws();
  if (chunks.draws() > 1) {
    const DrawsError error = draws_error(d, q, schedule, replicas, chunks);
    training->draws_played = error.draws;
    training->draws_error_us = error.us;
  } else {
    training->draws_played = 1;
  }
  fill_stages(schedule, q, step, chunks, *training);

  const double gpus = static_cast<double>(report.gpus), seconds = us * 1e-6;
  report.tokens_per_step = training->tokens_per_step;
  report.tokens_per_s = training->tokens_per_step / seconds;
  report.tokens_per_s_per_gpu = report.tokens_per_s / gpus;
  const Account totals = account(d, step, chunks, report);
  // What is waited for who is late.
  report.idle_us = std::max(0.0, report.idle_us + us - alone_us);
  for (double* end : {&report.interval["step_time_us"].p10, &report.interval["step_time_us"].p90})
    *end *= us / alone_us;
  count_routing(d, q, chunks, report, *training);
  report.bottleneck = bottleneck_of(report, *training, totals.bounds);
  const Interval& times = report.interval["step_time_us"];
  report.interval["tokens_per_s_per_gpu"] = {.p10 = report.tokens_per_s_per_gpu * us / times.p90,
                                             .p90 = report.tokens_per_s_per_gpu * us / times.p10};
  report.energy = energy_of(report, d, "trained");
  training->flops = training_flops(d.model, q.sequence, q.predictions);
  training->hardware_flops = totals.flops / training->tokens_per_step;
  const double peak = hardware::peak_rate(d.cluster.device, q.mfu_precision).flop_per_second();
  const auto share = [&](double per_token) {
    return per_token * report.tokens_per_s_per_gpu / peak;
  };
  training->tflops_per_gpu = training->flops.model_causal * report.tokens_per_s_per_gpu / 1e12;
  training->mfu = share(training->flops.model_causal);
  training->mfu_full = share(training->flops.model_full);
  training->hfu = share(training->hardware_flops);
  training->peak_tflops = peak / 1e12;
  training->mfu_precision = std::string(hardware::name_of(q.mfu_precision));

  write_memory({d, chunks, step}, q, schedule, report, *training);
  training->multiprocessors = d.cluster.device.multiprocessors;
  training->held = chunks.held();
  training->beside = q.overlap.expert || q.overlap.shared_expert;
  if (chunks.draws() > 1) {
    ChunkTable busy(d, q, true);
    training->routing_slowdown =
        alone_us / sim::to_us(time_step(d, q, schedule, replicas, busy).step);
  }
  if (q.run) {
    double tokens_per_s = report.tokens_per_s;
    const std::vector<double> steps_us = play_parts(d, q, schedule, replicas, report, *training);
    if (!steps_us.empty())
      tokens_per_s = training->tokens_per_step / (mean_step_us(*q.run, steps_us) * 1e-6);
    training->goodput = goodput_of(*q.run, report.gpus, tokens_per_s);
    training->failures_source = q.run->failures_source;
    if (q.run->assumed_checkpoint)
      report.defaults.push_back(fmt::format(
          "training.run.checkpoint is not given: {{every: optimal, blocks: {:g} s}} is assumed",
          kAssumedBlocks));
    if (q.run->assumed_detect || q.run->assumed_restart)
      report.defaults.push_back(
          fmt::format("training.run.failures: {} not given: 0 s {} assumed",
                      !q.run->assumed_restart  ? "detect is"
                      : !q.run->assumed_detect ? "restart is"
                                               : "detect and restart are",
                      q.run->assumed_detect && q.run->assumed_restart ? "each is" : "is"));
  }
  training->left_out = left_out(d, q, report);
  for (const std::string& text : training->left_out) report.notes.push_back("left out: " + text);
  if (options.keep_timeline) result.recording = record(schedule, step, chunks);
  result.training = std::move(training);
  return result;
}

}  // namespace moesim::workloads
