#include "tools/report/training_plan_text.h"

#include <fmt/format.h>

#include <cmath>

#include "sim/units_text.h"
#include "tools/report/number_text.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {
namespace {

constexpr double kSecondsOfDay = 86400;

double days_of(const PlanSpec& spec, double tokens_per_s) {
  return spec.training->tokens / tokens_per_s / kSecondsOfDay;
}

std::string run_text(const Candidate& c) {
  return fmt::format("{} {} ({})", c.gpus(), c.device, c.name);
}

std::string goodput_text(const workloads::RunPlan& run, const workloads::Goodput& goodput) {
  std::string text = fmt::format("{:.1f} % of the time is progress", 100 * goodput.goodput);
  if (goodput.mtbf_h > 0) {
    text += fmt::format(": a stop every {:.1f} h ({:.0f} GPU-hours to one), {:.0f} s to be back",
                        goodput.mtbf_h, run.gpu_mtbf_s / 3600, run.detect_s + run.restart_s);
  }
  if (goodput.checkpoint_every_s > 0) {
    text += fmt::format("; a checkpoint of {:g} s every {:.0f} min", run.blocks_s,
                        goodput.checkpoint_every_s / 60);
  }
  return text;
}

}  // namespace

std::string confidence_asked(const PlanSpec& spec, const PlanAnswer& a) {
  if (a.roles.front() != "fewest") return fmt::format("{:.2f} asked", a.confidence);
  return fmt::format(
      "of the fewest that is to be more likely than not ({:.2f}), of a plan to choose {:.2f}",
      a.confidence, spec.demand.confidence);
}

std::string stops_of(const PlanAnswer& a) {
  return a.reliability.source == hardware::kReliabilitySource ? "" : ": " + a.reliability.source;
}

std::string run_asked(const PlanSpec& spec) {
  return fmt::format("{}: {:g} tokens within {:g} days", spec.title, spec.training->tokens,
                     spec.training->days);
}

std::string run_head(const Plan& plan, const PlanAnswer& a) {
  const Candidate& c = plan.candidates[a.candidate];
  return fmt::format("{} GPUs ({} node{}), {}, {}", a.offer.gpus, a.nodes, a.nodes == 1 ? "" : "s",
                     c.device, c.name);
}

std::vector<PlanRow> run_rows(const PlanSpec& spec, const PlanAnswer& a) {
  const workloads::Report& report = a.run.report;
  const workloads::TrainingReport& training = *a.run.training;
  const RunCost& run = *a.run_cost;
  std::vector<PlanRow> rows;
  rows.emplace_back("takes", fmt::format("{:.1f} days (80 %: {:.1f} to {:.1f}), {:.0f} GPU-hours",
                                         run.days, run.days_p10, run.days_p90, run.gpu_hours));
  rows.emplace_back(
      "sure", fmt::format("done within {:g} days with probability {:.2f}; {}", spec.training->days,
                          a.offer.probability, confidence_asked(spec, a)));
  rows.emplace_back(
      "then",
      fmt::format("a step of {:.0f} tokens takes {}: {:.0f} tokens/s per GPU, MFU {:.1f} %, "
                  "bubble {:.1f} %; {:.1f} of {:.1f} GB of the fullest card",
                  training.tokens_per_step, time_text(report.step_time_us.mean),
                  report.tokens_per_s_per_gpu, 100 * training.mfu, 100 * training.bubble_share,
                  static_cast<double>(report.memory.peak) / 1e9,
                  static_cast<double>(report.memory.capacity) / 1e9));
  if (!report.routing.empty()) rows.emplace_back("routing", report.routing);
  rows.emplace_back("goodput", goodput_text(run.plan, *training.goodput));
  if (!spec.training->failures_told && !stops_of(a).empty())
    rows.emplace_back("", "stops are as reliability says" + stops_of(a));
  if (run.cost > 0) {
    rows.emplace_back(
        "costs",
        fmt::format("{:.0f} {} in all, {:.3f} per million tokens; {:.2f} {}/h", run.cost,
                    spec.currency, *a.cost_per_million_total, a.offer.cost, spec.currency));
  }
  return rows;
}

std::vector<PlanRow> fewer_rows(const Plan& plan, const PlanSpec& spec, const PlanAnswer& a) {
  const Candidate* best = nullptr;
  double most = 0;
  for (const Candidate& c : plan.candidates) {
    if (c.gpus() >= a.offer.gpus || (c.rejected && c.rejected->code == "memory")) continue;
    const double capacity = c.measured      ? c.measured->capacity.p50
                            : c.estimated() ? c.estimated()->capacity
                                            : 0;
    if (capacity > most) best = &c, most = capacity;
  }
  if (!best) return {{"fewer", "all of fewer GPUs are refused by proof, or do not fit: see below"}};
  return {{"fewer", fmt::format("the best of fewer, {}, takes {}{:.1f} days", run_text(*best),
                                best->measured ? "" : "about ", days_of(spec, most))}};
}

std::string run_second(const Plan& plan, const PlanSpec& spec) {
  const Candidate& c = plan.candidates[plan.second->candidate];
  return fmt::format("{} takes {:.1f} days", run_text(c), days_of(spec, c.offer->capacity));
}

std::vector<PlanRow> nearest_run_rows(const Plan& plan, const PlanSpec& spec) {
  const Nearest& n = *plan.nearest;
  const Candidate& c = plan.candidates[n.candidate];
  if (!n.days) {
    return {{"nearest",
             fmt::format("{}: a GPU lacks {}", run_text(c), sim::to_text(sim::Bytes(n.lacks)))},
            {"may do", "more GPUs, or training: {sharding: weights}"}};
  }
  std::vector<PlanRow> rows{{"nearest", fmt::format("{} takes {:.1f} days", run_text(c), *n.days)}};
  std::string would_do;
  const auto add = [&](const std::string& one) {
    would_do += (would_do.empty() ? "" : ", ") + one;
  };
  if (*n.days_would_do > spec.training->days)
    add(fmt::format("targets: {{days: {:.1f}}}", std::ceil(*n.days_would_do * 10) / 10));
  if (n.would_do->cost > spec.demand.limits.cost)
    add(fmt::format("limits: {{cost: {:.2f} {}/h}}", n.would_do->cost, spec.currency));
  if (n.would_do->power > spec.demand.limits.power)
    add(fmt::format("limits: {{power: {:.1f} kW}}", std::ceil(n.would_do->power / 100) / 10));
  rows.emplace_back("would do", would_do);
  return rows;
}

}  // namespace moesim::tools
