#include "tools/report/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/units_text.h"
#include "tools/report/number_text.h"
#include "tools/report/training_plan_text.h"
#include "tools/study/plan/rate_text.h"
#include "workloads/serving/service.h"

namespace moesim::tools {
namespace {

constexpr double kMinutesOfYear = 365.25 * 24 * 60;

// "12 engines of 2 H200 SXM (tp2)"
std::string engines_text(const Candidate& c, std::int64_t engines) {
  return fmt::format("{} {}{} of {} {} ({})", engines, c.choice.prefill ? "group" : "engine",
                     engines == 1 ? "" : "s", c.gpus(), c.device, c.name);
}

class Text {
 public:
  Text(const Plan& plan, const PlanSpec& spec) : plan_(plan), spec_(spec) {}

  std::string make() {
    line(fmt::format("{}; {} candidates, {} estimated, {} measured", asked(),
                     plan_.candidates.size(), stage("estimate").out, stage("measure").out));
    if (spec_.trace)
      row("load", workloads::serving::text_of(*spec_.trace) +
                      "; an engine is measured on the first of them");
    for (const PlanAnswer& answer : plan_.answers)
      is_told_whole(answer) ? tell(answer) : tell_shortly(answer);
    if (plan_.nearest) tell_nearest();
    if (!plan_.answers.empty() && plan_.second) tell_second();
    tell_rejected();
    tell_search();
    return text_;
  }

 private:
  void line(const std::string& text) { text_ += text + "\n"; }
  void row(const std::string& head, const std::string& text) {
    line(fmt::format("  {:<10}{}", head, text));
  }

  std::string unit() const { return spec_.steps ? "tokens/s" : "requests/s"; }

  void rows(const std::vector<PlanRow>& all) {
    for (const auto& [head, text] : all) row(head, text);
  }

  std::string asked() const {
    if (spec_.training) return run_asked(spec_);
    return fmt::format("{}: {} {} within {}", spec_.title, rate_text(spec_.demand.rate), unit(),
                       targets_told(spec_));
  }

  PlanStage stage(const std::string& name) const {
    const auto found = std::ranges::find(plan_.stages, name, &PlanStage::name);
    return found == plan_.stages.end() ? PlanStage{} : *found;
  }

  const Candidate& candidate(const PlanAnswer& answer) const {
    return plan_.candidates[answer.candidate];
  }

  static std::string roles_of(const PlanAnswer& a) {
    std::string roles;
    for (const std::string& role : a.roles) roles += (roles.empty() ? "" : ", ") + role;
    std::ranges::replace(roles, '_', ' ');
    return roles;
  }

  // Whether it is what was asked for, or the least that might do.
  static bool is_told_whole(const PlanAnswer& a) {
    const std::string& role = a.roles.front();
    return role == "chosen" || role == "fewest" || role == "cheapest";
  }

  std::string head(const PlanAnswer& a) const {
    return fmt::format("  {}: {} GPUs ({} node{}), {}", roles_of(a), a.offer.gpus, a.nodes,
                       a.nodes == 1 ? "" : "s", engines_text(candidate(a), a.offer.engines));
  }

  void tell_carried(const PlanAnswer& a) {
    const double used = spec_.demand.rate / a.offer.capacity;
    row("carries",
        fmt::format("{} {} (80 %: {} to {}), {:.0f} % used{}", rate_text(a.offer.capacity), unit(),
                    rate_text(a.capacity_p10), rate_text(a.capacity_p90), 100 * used,
                    used > 0.9 ? ": near saturation" : ""));
  }

  // What it has otherwise than the chosen one.
  void tell_shortly(const PlanAnswer& a) {
    line("");
    line(head(a));
    tell_carried(a);
    std::string text = fmt::format("probability {:.2f}", a.offer.probability);
    if (a.offer.cost > 0) text += fmt::format("; {:.2f} {}/h", a.offer.cost, spec_.currency);
    if (a.power) text += fmt::format("; {:.1f} kW", a.power->total_w / 1e3);
    text += fmt::format("; without one node it carries {} {}", rate_text(a.without_spare), unit());
    row("sure", text);
  }

  void tell(const PlanAnswer& a) {
    const Candidate& c = candidate(a);
    const std::string roles = roles_of(a);
    line("");
    if (spec_.training) {
      line(fmt::format("  {}: {}", roles, run_head(plan_, a)));
      rows(run_rows(spec_, a));
      if (a.power) tell_power(*a.power);
      if (a.roles.front() == "chosen") rows(fewer_rows(plan_, spec_, a));
      return;
    }
    line(head(a));
    tell_carried(a);
    row("sure", fmt::format("meets the targets with probability {:.2f}{}; {}", a.offer.probability,
                            spec_.demand.spare != Spare::None && a.roles.front() != "fewest"
                                ? " once the spare is lost"
                                : "",
                            confidence_asked(spec_, a)));
    row("then", metrics(a));
    if (a.run.serving) {
      const double error = a.run.serving->report.iteration_error.mean_percent;
      if (error > workloads::serving::kMostMeanErrorPercent) {
        row("check",
            fmt::format("iterations played again differ by {:.1f} % on average, and no engine that "
                        "answers differs by less than {:g}: all of this is no surer; "
                        "serving.iteration.error smaller, or cost: exact, would do",
                        error, workloads::serving::kMostMeanErrorPercent));
      }
    }
    if (a.cost_per_million_output && spec_.steps && !spec_.steps->decode) {
      row("costs", fmt::format("{:.2f} {}/h; {:.3f} {} per million prompt tokens", a.offer.cost,
                               spec_.currency, *a.cost_per_million_output, spec_.currency));
    } else if (a.cost_per_million_output) {
      row("costs", fmt::format("{:.2f} {}/h; {:.3f} {} per million output tokens (all cost on "
                               "them), {:.3f} per million of both kinds",
                               a.offer.cost, spec_.currency, *a.cost_per_million_output,
                               spec_.currency, *a.cost_per_million_total));
    }
    if (a.cost_per_million_read) {
      row("", fmt::format("of that: {:.3f} {} per million input tokens (the GPUs that read them), "
                          "{:.3f} per million output tokens (those that generate)",
                          *a.cost_per_million_read, spec_.currency, *a.cost_per_million_generated));
    }
    if (a.power) tell_power(*a.power);
    row("spare",
        fmt::format("without one node it carries {} {}: {}", rate_text(a.without_spare), unit(),
                    a.without_spare >= spec_.demand.rate
                        ? "the load still"
                        : "not the load (spare: {nodes: 1} plans for that)"));
    row("up",
        fmt::format(
            "too few {} run {:.3g} minutes a year: {:.0f} GPU-hours to a stop, {:.0f} s to be "
            "back (reliability{})",
            c.choice.prefill ? "groups" : "engines", kMinutesOfYear * (1 - a.availability.enough),
            a.reliability.gpu_hours, 3600 * a.reliability.restart_h, stops_of(a)));
    if (c.choice.prefill)
      row("", "of that: a group counts as down with any of its GPUs, which is more than happens");
    // But for rounding, what the other engines carry.
    const auto engines = static_cast<double>(a.offer.engines);
    const double others = a.offer.capacity * (engines - 1) / engines;
    if (a.losses.capacity[1] > others * (1 + 1e-9)) {
      row("elastic", fmt::format("with a GPU lost it carries {} {}, with two {}; {} on average",
                                 rate_text(a.losses.capacity[1]), unit(),
                                 rate_text(a.losses.capacity[2]), rate_text(a.losses.goodput)));
    }
    if (a.roles.front() == "chosen") tell_fewer(a);
  }

  void tell_power(const PlanPower& p) {
    row("power", fmt::format("{:.1f} kW (+-{:.0f} %), {:.0f} W a GPU; {:.3g} J per {}token{}",
                             p.total_w / 1e3, 100 * p.error, p.gpu_w, p.per_token_j,
                             spec_.steps || spec_.training ? "" : "output ",
                             spec_.pue > 1 ? fmt::format(" (PUE {:g})", spec_.pue) : ""));
    for (const std::string& what : p.stand_ins) row("", "of that: " + what);
  }

  std::string metrics(const PlanAnswer& a) const {
    const workloads::Report& report = a.run.report;
    if (!a.run.serving) {
      return fmt::format("a step of {} takes {}, {:.0f} tokens/s per GPU",
                         spec_.steps->decode
                             ? fmt::format("{} sequences a dp rank", candidate(a).measured->batch)
                             : fmt::format("{} tokens a dp rank", candidate(a).measured->batch),
                         time_text(report.step_time_us.mean), report.tokens_per_s_per_gpu);
    }
    const auto& s = a.run.serving->report;
    std::string text = fmt::format("at the load: p99 TTFT {}, p99 TPOT {}",
                                   time_text(s.ttft.p99 * 1e3), time_text(s.tpot.p99 * 1e3));
    if (s.attained) text += fmt::format("; {:.1f} % of requests attain them", 100 * *s.attained);
    for (const auto& target : spec_.targets.statistics) {
      text += fmt::format("; {} {} of {}", name_of(target), time_text(value_of(s, target) * 1e3),
                          sim::to_text(target.most));
    }
    return text;
  }

  // One engine less.
  void tell_fewer(const PlanAnswer& a) {
    const Candidate& c = candidate(a);
    const double engines = static_cast<double>(a.offer.engines);
    const double each = a.offer.capacity / engines;
    if (a.offer.engines == 1) {
      row("fewer", "there is no fewer than one engine");
      return;
    }
    const double carried = (engines - 1) * each;
    row("fewer",
        fmt::format("with {} GPUs less: {} {}, probability {:.2f}", c.gpus(), rate_text(carried),
                    unit(), validation::probability_of(carried, spec_.demand.rate, a.deviation)));
  }

  void tell_second() {
    const Candidate& second = plan_.candidates[plan_.second->candidate];
    line("");
    if (spec_.training) {
      row("second", run_second(plan_, spec_));
      tell_tie(second);
      return;
    }
    row("second", fmt::format("{} GPUs, {}, carries {} {}", second.offer->gpus,
                              engines_text(second, second.offer->engines),
                              rate_text(second.offer->capacity), unit()));
    tell_tie(second);
  }

  void tell_tie(const Candidate& second) {
    row("", fmt::format("a GPU of the chosen one carries more than its with probability {:.2f}{}",
                        plan_.second->probability,
                        second.device == candidate(plan_.answers.front()).device
                            ? " (errors of one device's models are common)"
                            : ""));
  }

  void tell_nearest() {
    const Nearest& n = *plan_.nearest;
    const Candidate& c = plan_.candidates[n.candidate];
    line("");
    line("  nothing meets the targets within the limits");
    if (spec_.training) {
      rows(nearest_run_rows(plan_, spec_));
      return;
    }
    if (n.engines > 0) {
      row("nearest", fmt::format("{}: {} {} within the limits ({})", engines_text(c, n.engines),
                                 rate_text(n.carried), unit(), limits_text()));
    } else if (n.carried == 0 && c.measured && c.measured->capacity.p50 > 0) {
      row("nearest",
          fmt::format("{}: alone beyond the limits ({})", engines_text(c, 1), limits_text()));
    } else if (n.least_token_s || n.least_first_s) {
      const bool prompt = n.least_first_s || (spec_.steps && !spec_.steps->decode);
      row("nearest",
          fmt::format("{}: alone, {} takes {}", engines_text(c, 1), prompt ? "a prompt" : "a token",
                      time_text(1e6 * n.least_token_s.value_or(n.least_first_s.value_or(0)))));
      if (!n.would_do && n.otherwise.empty())
        row("would do", fmt::format("a longer {}", prompt ? "TTFT" : "TPOT"));
    } else {
      row("nearest", engines_text(c, 1) + ": " +
                         (n.refused.empty() ? "no rate attains the targets" : n.refused));
    }
    tell_what_would_do(n);
  }

  std::string limits_text() const {
    const Limits& limits = spec_.demand.limits;
    std::string text = fmt::format("{} GPUs", limits.gpus);
    if (std::isfinite(limits.cost)) text += fmt::format(", {:g} {}/h", limits.cost, spec_.currency);
    if (std::isfinite(limits.power)) text += fmt::format(", {:g} kW", limits.power / 1e3);
    return text;
  }

  std::string terms_text(const Offer& offer) const {
    std::string text;
    if (offer.cost > 0) text += fmt::format(", {:.2f} {}/h", offer.cost, spec_.currency);
    if (std::isfinite(spec_.demand.limits.power))
      text += fmt::format(", {:.1f} kW", offer.power / 1e3);
    return text;
  }

  void tell_what_would_do(const Nearest& n) {
    if (n.would_do && n.would_do_by) {
      row("would do",
          fmt::format("{} GPUs: {}{}", n.would_do->gpus,
                      engines_text(*n.would_do_by, n.would_do->engines), terms_text(*n.would_do)));
      if (n.would_do_by->gpus() > spec_.demand.limits.gpus)
        row("", fmt::format("an engine larger than {} GPUs: of that size none is among the {} "
                            "candidates",
                            spec_.demand.limits.gpus, plan_.candidates.size()));
    }
    for (const Nearest::Otherwise& other : n.otherwise)
      row(&other == &n.otherwise.front() && !n.would_do ? "would do" : "or",
          fmt::format("{}: {} GPUs, {}{}", other.what, other.offer.gpus,
                      engines_text(other.engine, other.offer.engines), terms_text(other.offer)));
  }

  void tell_rejected() {
    line("");
    line("  why not the others");
    for (const RejectedCode& rejected : rejected_by_code(plan_)) {
      const Candidate& shown = plan_.candidates[rejected.example];
      line(fmt::format("  {:>6}  {:<11} such as {} {}, {}: {}", rejected.count, rejected.code,
                       shown.gpus(), shown.device, shown.name, shown.rejected->detail));
    }
  }

  void tell_search() {
    if (spec_.exhaustive) {
      line("\n  search    exhaustive: all that fit were measured");
      return;
    }
    if (stage("measure").out == 0) {
      line(fmt::format("\n  search    nothing was measured{}",
                       stage("estimate").out == 0
                           ? ": all were refused by proof"
                           : fmt::format(": no estimate was held against anything; margin {:.0f} %",
                                         100 * plan_.margin_used)));
      return;
    }
    line(
        fmt::format("\n  search    estimates are off by {:.0f} % at most of those measured; margin "
                    "{:.0f} %",
                    100 * plan_.largest_error, 100 * plan_.margin_used));
    if (plan_.answers.empty() || spec_.training) return;
    // The margin is of what was asked; of what others carry estimates may be further off.
    row("", fmt::format("only of the {} measured: least power, most throughput, most robust",
                        stage("measure").out));
  }

  const Plan& plan_;
  const PlanSpec& spec_;
  std::string text_;
};

}  // namespace

std::string plan_text(const Plan& plan, const PlanSpec& spec) {
  return Text(plan, spec).make();
}

}  // namespace moesim::tools
