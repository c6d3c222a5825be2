#include "tools/report/training_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/units_text.h"
#include "tools/report/text_report.h"
#include "workloads/report/report.h"

namespace moesim::tools {
namespace {

using workloads::Report;
using workloads::TrainingReport;

std::string time(double us) {
  return sim::to_text(sim::picoseconds_rounded_up(us * 1e6));
}

// How few draws the routing is known by, and what that leaves open.
std::string draws_text(const TrainingReport& t) {
  std::string text = t.draws_played < t.draws
                         ? fmt::format("{} of {} draws are taken", t.draws_played, t.draws)
                         : fmt::format("{} draws", t.draws);
  if (t.draws_error_us > 0)
    text += fmt::format(": known to {:.2g} % by so few, one standard error",
                        100 * t.draws_error_us / t.step_us);
  return text;
}

// What late GPUs do to steps, and what was assumed of them.
void add_stragglers(const TrainingReport& t, std::string& out) {
  if (!t.late) return;
  const workloads::LateSteps& l = *t.late;
  const workloads::Jitter& j = t.jitter;
  const auto to_median = [&](double us) { return 100 * (us / l.p50_us - 1); };
  out += fmt::format("  stragglers    the mean of {} drawn steps, {:+.1f} % over {} with none:",
                     l.steps, 100 * (l.mean_us / t.step_us - 1), time(t.step_us));
  if (j.kernel > 0) out += fmt::format(" kernels of a GPU scatter by {:.3g} %", 100 * j.kernel);
  if (j.stall_every > 0)
    out += fmt::format("{} a step in {:.6g} takes {:.3g} times as long", j.kernel > 0 ? "," : "",
                       j.stall_every, j.stall_takes);
  out += fmt::format(
      "\n                median {}, p10 {:+.1f} %, p90 {:+.1f} %, p99 {:+.1f} %, mean {:+.1f} % of "
      "it, longest {}\n",
      time(l.p50_us), to_median(l.p10_us), to_median(l.p90_us), to_median(l.p99_us),
      to_median(l.mean_us), time(l.longest_us));
}

void add_answer(const TrainingReport& t, const Report& report, std::string& out) {
  out += fmt::format("{}\n  {}\n\n", report.title, report.what);
  if (!report.memory.fits) {
    out += fmt::format("  DOES NOT FIT  {}.\n                What follows is what it would be.\n\n",
                       report.memory.advice);
  }
  out += fmt::format("  step          {}", time(t.mean_us()));
  if (const auto band = report.interval.find("step_time_us"); band != report.interval.end())
    out +=
        fmt::format("   (80 % interval {} to {})", time(band->second.p10), time(band->second.p90));
  out += fmt::format("\n  throughput    {:.0f} tokens/s, {:.1f} tokens/s per GPU ({} GPUs)\n",
                     report.tokens_per_s, report.tokens_per_s_per_gpu, report.gpus);
  add_stragglers(t, out);
  add_energy(report, out);
  out += fmt::format(
      "  arithmetic    {:.1f} TFLOPS a GPU, MFU {:.2f} % (model_causal: Megatron's count, {:.2f} "
      "GFLOP a token)\n                MFU {:.2f} % with the full mask, HFU {:.2f} % as the "
      "kernels "
      "compute, of {:.1f} TFLOPS ({})\n",
      t.tflops_per_gpu, 100 * t.mfu, t.flops.model_causal / 1e9, 100 * t.mfu_full, 100 * t.hfu,
      t.peak_tflops, t.mfu_precision);
  out += fmt::format(
      "  pipeline      {}, {} micro-batches: bubble {:.1f} % of the step ({:.1f} % of the "
      "schedule's "
      "own)\n",
      t.schedule, t.micro_batches, 100 * t.bubble_share, 100 * t.bubble_schedule_share);
  out += fmt::format("  routing       {}", report.routing);
  if (t.draws > 1)
    out += fmt::format(
        "\n                the step takes {:+.1f} % over one with every expert as busy ({})",
        100 * (t.routing_slowdown - 1), draws_text(t));
  if (t.draws > 1 && !report.layers.empty())
    out += fmt::format(
        "\n                rows over the mean: busiest expert {:.2f}, busiest rank {:.2f} (means "
        "of "
        "{} layers, over the step); {} experts have none",
        report.expert_load.max_over_mean, report.rank_max_over_mean, report.layers.size(),
        report.expert_load.dead_experts);
  if (t.padding_share > 0)
    out += fmt::format("\n                {:.1f} % of the experts' rows fill capacity up",
                       100 * t.padding_share);
  if (t.aligned_share > 0)
    out +=
        fmt::format("\n                {:.1f} % of the rows of 8-bit products align experts' rows",
                    100 * t.aligned_share);
  if (t.dropped_share > 0)
    out +=
        fmt::format("\n                {:.2f} % of the selections are over capacity, and dropped",
                    100 * t.dropped_share);
  if (t.held > 0 && t.beside)
    out += fmt::format(
        "\n                kernels of its exchanges hold {} of {} multiprocessors from what runs "
        "beside them",
        t.held, t.multiprocessors);
  out += '\n';
}

void add_ranks(const TrainingReport& t, std::string& out) {
  out += "\n  where the mean pipeline rank's step goes\n";
  std::vector<std::pair<std::string, double>> rows;
  const auto add = [&](std::string name, auto value) {
    double sum = 0;
    for (const auto& rank : t.ranks) sum += value(rank);
    rows.emplace_back(std::move(name), sum / static_cast<double>(t.ranks.size()));
  };
  using Rank = TrainingReport::RankRow;
  add("forward", [](const Rank& r) { return r.f_us; });
  add("backward", [](const Rank& r) { return r.b_us; });
  add("weight gradients apart", [](const Rank& r) { return r.w_us; });
  add("forward and backward woven", [](const Rank& r) { return r.fb_us; });
  add("bubble", [](const Rank& r) { return r.bubble_us; });
  add("optimizer", [](const Rank& r) { return r.optimizer_us; });
  for (std::size_t i = 0; i < workloads::kExposedNames.size(); ++i)
    add(fmt::format("exposed: {}", workloads::kExposedNames[i]),
        [i](const Rank& r) { return r.exposed_us[i]; });
  rows.emplace_back("waiting for late GPUs", t.mean_us() - t.step_us);
  for (const auto& [name, us] : rows)
    if (us > 0)
      out += fmt::format("    {:>5.1f} %  {:>10}  {}\n", 100 * us / t.mean_us(), time(us), name);
}

void add_memory_rows(const TrainingReport& t, std::string& out) {
  const auto gb = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  out += fmt::format(
      "\n  memory, GB of {:.1f}   weights  gradients  optimizer  activations  others    peak\n",
      gb(t.capacity));
  for (const auto& row : t.memory) {
    const workloads::TrainingMemory& m = row.memory;
    out += fmt::format("    rank {:<12} {:>9.2f} {:>10.2f} {:>10.2f} {:>12.2f} {:>7.2f} {:>7.2f}\n",
                       row.rank, gb(m.weights), gb(m.gradients), gb(m.optimizer), gb(m.activations),
                       gb(m.temporaries + m.buffers + m.context), gb(m.peak()));
  }
}

void add_goodput(const TrainingReport& t, std::string& out) {
  if (!t.goodput) return;
  const workloads::Goodput& g = *t.goodput;
  out += g.ends ? fmt::format("\n  run           {:.1f} % of the time is progress", 100 * g.goodput)
                : fmt::format("\n  run           NEVER ENDS: {:.2g} % of the time is progress",
                              100 * g.goodput);
  if (g.mtbf_h > 0)
    out += fmt::format(", a failure every {:.{}f} h", g.mtbf_h, g.mtbf_h < 0.1 ? 4 : 2);
  else
    out += ", no failures are counted";
  if (g.checkpoint_every_s > 0)
    out += fmt::format(", a checkpoint every {:.0f} s", g.checkpoint_every_s);
  if (!t.failures_source.empty())
    out += fmt::format("\n                failures as reliability says: {}", t.failures_source);
  if (g.days > 0)
    out += fmt::format("\n                {:.1f} days, {:.0f} GPU-hours", g.days, g.gpu_hours);
  out += '\n';
}

}  // namespace

std::string training_text(const TrainingReport& training, const Report& report) {
  std::string out;
  add_answer(training, report, out);
  add_ranks(training, out);
  add_memory_rows(training, out);
  add_goodput(training, out);
  add_trust(report, out);
  add_notes(report, out);
  return out;
}

}  // namespace moesim::tools
