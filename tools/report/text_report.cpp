#include "tools/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/units_text.h"

namespace moesim::tools {
namespace {

using workloads::Report;

constexpr std::size_t kMostLinks = 4;
constexpr std::size_t kMostBottlenecks = 6;

std::string time(double us) {
  return sim::to_text(sim::picoseconds_rounded_up(us * 1e6));
}

std::string bytes(std::int64_t count) {
  return sim::to_text(sim::Bytes(count));
}

void add_head(const Report& report, std::string& out) {
  const auto& step = report.step_time_us;
  out += fmt::format("{}\n  {}\n\n", report.title, report.what);
  if (!report.memory.fits) {
    out += fmt::format("  DOES NOT FIT  {}.\n                What follows is what it would be.\n\n",
                       report.memory.advice);
  }
  out += fmt::format("  step          {}", time(step.mean));
  if (const auto interval = report.interval.find("step_time_us");
      interval != report.interval.end()) {
    out += fmt::format("   (80 % interval {} to {})", time(interval->second.p10),
                       time(interval->second.p90));
  }
  if (report.step_times_us.size() > 1) {
    out += fmt::format("\n                p50 {}, p90 {}, p99 {} of {} steps", time(step.p50),
                       time(step.p90), time(step.p99), report.step_times_us.size());
  }
  out += fmt::format("\n  throughput    {:.0f} tokens/s, {:.1f} tokens/s per GPU ({} GPUs)\n",
                     report.tokens_per_s, report.tokens_per_s_per_gpu, report.gpus);
}

void add_survives(const Report& report, std::string& out) {
  if (!report.survives || !report.survives->replicas) return;
  const auto text = [](bool survives) { return survives ? "" : "not "; };
  out += fmt::format("  survives      {}the loss of any GPU, {}that of any node\n",
                     text(report.survives->any_gpu), text(report.survives->any_node));
}

void add_phases(const Report& report, std::string& out) {
  out += "\n  phase               busy     exposed   of step   waiting for slower ranks\n";
  const double step = report.step_time_us.mean;
  for (std::size_t i = 0; i < workloads::kPhases; ++i) {
    const workloads::PhaseReport& phase = report.phases[i];
    if (phase.busy_us == 0) continue;
    out += fmt::format("  {:<14}{:>10}  {:>10}   {:>5.1f} %", workloads::kPhaseNames[i],
                       time(phase.busy_us), time(phase.exposed_us), 100 * phase.exposed_us / step);
    if (phase.waiting_us > 0) out += fmt::format("   {}", time(phase.waiting_us));
    out += '\n';
  }
  if (report.idle_us > 0) {
    out += fmt::format("  {:<14}{:>10}  {:>10}   {:>5.1f} %\n", "idle", "", time(report.idle_us),
                       100 * report.idle_us / step);
  }
}

void add_bottleneck(const Report& report, std::string& out) {
  out += "\n  what bounds the step\n";
  for (std::size_t i = 0; i < std::min(report.bottleneck.size(), kMostBottlenecks); ++i) {
    const workloads::BottleneckReport& part = report.bottleneck[i];
    out += fmt::format("    {:>5.1f} %  {:>10}  {}\n", 100 * part.share, time(part.time_us),
                       part.what);
  }
}

// Named where one rank costs the others much of what they wait, or the cluster says it is slow.
void add_waited_for(const Report& report, std::string& out) {
  constexpr double kMuch = 0.3;
  for (const workloads::WaitedForReport& one : report.waited_for) {
    if (one.share < kMuch && one.speed == 1) continue;
    out += fmt::format(
        "    {:.0f} % of all waiting is for rank {}{}\n", 100 * one.share, one.rank,
        one.speed == 1 ? "" : fmt::format(", which computes at {} of its speed", one.speed));
  }
}

void add_loads(const Report& report, std::string& out) {
  if (report.layers.empty()) return;
  const auto& worst = *std::max_element(
      report.layers.begin(), report.layers.end(),
      [](const auto& a, const auto& b) { return a.rank_max_over_mean < b.rank_max_over_mean; });
  out += fmt::format(
      "\n  expert load   max/mean {:.2f}, entropy {:.3f} (means of {} layers); {} experts idle in "
      "all\n",
      report.expert_load.max_over_mean, report.expert_load.normalised_entropy, report.layers.size(),
      report.expert_load.dead_experts);
  out += fmt::format("  rank load     max/mean {:.2f}; worst in layer {}: {:.2f}\n",
                     report.rank_max_over_mean, worst.layer, worst.rank_max_over_mean);
  out += fmt::format("  routing       {}\n", report.routing);
  add_survives(report, out);
}

void add_links(const Report& report, std::string& out) {
  if (report.links.empty()) return;
  out += "\n  busiest links\n";
  for (std::size_t i = 0; i < std::min(report.links.size(), kMostLinks); ++i) {
    const workloads::LinkReport& link = report.links[i];
    out += fmt::format("    {:>5.1f} %  {:>10}  {} ({})\n", 100 * link.busy_fraction,
                       bytes(link.bytes), link.name, link.kind);
  }
}

}  // namespace

static constexpr std::size_t kMostReasons = 6;

void add_energy(const Report& report, std::string& out) {
  if (!report.energy) return;
  const workloads::EnergyReport& e = *report.energy;
  out += fmt::format("  energy        {:.3g} J per {} token, {:.0f} W a GPU (+-{:.0f} %)",
                     e.gpu_j_per_token, e.tokens, e.gpu_w, 100 * e.error);
  if (e.total_j_per_token > e.gpu_j_per_token)
    out += fmt::format("; with hosts and cooling {:.3g} J, {:.1f} kW in all", e.total_j_per_token,
                       e.total_w / 1e3);
  out += '\n';
}

void add_trust(const Report& report, std::string& out) {
  const auto& extrapolated = report.extrapolated;
  out += "\n  how far to trust it\n";
  if (extrapolated.reasons.empty()) {
    out += "    all of the step lies within what its cost models were fitted on\n";
  } else {
    std::string phases;
    for (std::size_t i = 0; i < workloads::kPhases; ++i) {
      if (extrapolated.by_phase[i] < 5e-4) continue;
      phases += fmt::format("{}{} {:.1f} %", phases.empty() ? "" : ", ", workloads::kPhaseNames[i],
                            100 * extrapolated.by_phase[i]);
    }
    out += fmt::format("    {:.1f} % of the step lies outside what was measured{}{}\n",
                       100 * extrapolated.share, phases.empty() ? "" : ": ", phases);
    for (std::size_t i = 0; i < std::min(extrapolated.reasons.size(), kMostReasons); ++i) {
      const auto& reason = extrapolated.reasons[i];
      out += fmt::format("    {:>5.1f} %  {}\n", 100 * reason.share, reason.what);
    }
    if (extrapolated.reasons.size() > kMostReasons) {
      out += fmt::format("             and {} more reasons (--format json)\n",
                         extrapolated.reasons.size() - kMostReasons);
    }
  }
  std::map<std::string, std::string> carried;  // device -> kinds
  for (const auto& one : report.carried_over) {
    std::string& kinds = carried[one.device];
    if (kinds.find(one.kind) != std::string::npos) continue;
    kinds += (kinds.empty() ? "" : ", ") + one.kind;
  }
  for (const auto& [device, kinds] : carried) {
    out += fmt::format("    fitted on {} and carried over: {}\n", device, kinds);
  }
  if (report.energy) {
    for (const std::string& what : report.energy->stand_ins)
      out += fmt::format("    power: {}\n", what);
  }
}

void add_memory(const Report& report, std::string& out) {
  const workloads::MemoryReport& memory = report.memory;
  if (memory.capacity == 0) return;
  out += fmt::format("\n  memory        {} of {}: {}\n", bytes(memory.peak), bytes(memory.capacity),
                     memory.fits ? "fits" : "DOES NOT FIT");
  out +=
      fmt::format("                weights {}, cache {}, activations {}, buffers {}, context {}\n",
                  bytes(memory.weights), bytes(memory.kv_cache), bytes(memory.activations),
                  bytes(memory.buffers), bytes(memory.context));
}

void add_notes(const Report& report, std::string& out) {
  if (report.defaults.empty() && report.notes.empty()) return;
  out += "\n  notes\n";
  for (const std::string& one : report.defaults) out += fmt::format("    {}\n", one);
  for (const std::string& note : report.notes) out += fmt::format("    {}\n", note);
}

std::string text_report(const Report& report) {
  std::string out;
  add_head(report, out);
  add_energy(report, out);
  add_phases(report, out);
  add_bottleneck(report, out);
  add_waited_for(report, out);
  add_loads(report, out);
  add_links(report, out);
  add_memory(report, out);
  add_trust(report, out);
  add_notes(report, out);
  return out;
}

}  // namespace moesim::tools
