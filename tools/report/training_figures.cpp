#include "tools/report/training_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

#include "sim/units_text.h"
#include "tools/report/number_text.h"
#include "workloads/run.h"
#include "workloads/step/phases.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {
namespace {

using workloads::Phase;
using workloads::Recording;
using workloads::RunPlan;
using workloads::RunResult;
using workloads::TrainingReport;

constexpr sim::Rank kMostTracks = 16;
constexpr std::size_t kMostPasses = 40;  // of a rank: more are too thin to be read
constexpr std::size_t kRows = 100;       // of a table beside a line

// "F 3 stage 1", of micro-batch 3; with a second one after a comma where two are woven.
std::string kind_of(const std::string& name) {
  if (name.find(',') != std::string::npos) return "forward and backward woven";
  if (name.starts_with("F ")) return "forward";
  if (name.starts_with("B ")) return "gradients of inputs";
  return name.starts_with("W ") ? "gradients of weights" : "backward";  // "BW "
}

Figure schedule(const Recording& recording) {
  const sim::OpGraph& graph = recording.graph;
  const sim::Rank ranks = std::min(graph.ranks(), kMostTracks);
  const TimeUnit unit = time_unit(sim::to_us(recording.timeline.finish - sim::Time{}));
  std::vector<sim::OpId> shown;  // passes, without what a rank does within them
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    if (op.rank < ranks && graph.label(op.label).phase == index_of(Phase::Pipeline))
      shown.push_back(id);
  }
  std::ranges::stable_sort(shown, {},
                           [&](sim::OpId id) { return recording.timeline.spans[id].start; });
  const std::size_t all = shown.size();
  shown.resize(std::min(all, kMostPasses * ranks));

  Slices chart{.unit = unit.name, .tracks = {}, .kinds = {}, .slices = {}};
  for (sim::Rank rank = 0; rank < ranks; ++rank)
    chart.tracks.push_back(fmt::format("rank {}", rank));
  std::map<std::string, std::size_t> kinds;
  Table table{{"rank", "pass", "from", "takes"}, {}};
  for (const sim::OpId id : shown) {
    const sim::Span& span = recording.timeline.spans[id];
    const std::string& name = graph.label(graph.op(id).label).name;
    const auto [kind, is_new] = kinds.try_emplace(kind_of(name), kinds.size());
    if (is_new) chart.kinds.push_back(kind->first);
    const std::string takes = sim::to_text(span.end - span.start);
    chart.slices.push_back({.track = graph.op(id).rank,
                            .kind = kind->second,
                            .from = sim::to_us(span.start - sim::Time{}) / unit.us,
                            .to = sim::to_us(span.end - sim::Time{}) / unit.us,
                            .text = fmt::format("{}, {}", name, takes)});
    if (table.rows.size() < kMostTableRows)
      table.rows.push_back({std::to_string(graph.op(id).rank), name,
                            sim::to_text(span.start.time_since_epoch()), takes});
  }
  std::string note;
  if (ranks < graph.ranks())
    note = fmt::format("The first {} of {} pipeline ranks. ", ranks, graph.ranks());
  if (shown.size() < all) note += fmt::format("The first {} of {} passes. ", shown.size(), all);
  note += "All of them: --timeline FILE, opened in ui.perfetto.dev.";
  return {.title = "Schedule",
          .sentence =
              "The passes of each pipeline rank, a micro-batch each; where there is none "
              "the rank stands still.",
          .chart = std::move(chart),
          .table = std::move(table),
          .note = std::move(note)};
}

// Bytes are kept from an instant on: a line of steps.
std::optional<Figure> kept_over_time(const TrainingReport& training) {
  const auto fullest = static_cast<std::int64_t>(training.plan().fullest);
  const auto found = std::ranges::find(training.memory_timeline, fullest,
                                       [](const auto& kept) { return kept.rank; });
  if (found == training.memory_timeline.end() || found->instants.size() < 2) return {};
  const auto& all = found->instants;
  const TimeUnit unit = time_unit(all.back().first);
  const auto most = std::ranges::max_element(all, {}, [](const auto& at) { return at.second; });
  Lines chart{.x = {.name = fmt::format("time, {}", unit.name)},
              .y = {.name = "GB kept"},
              .series = {{"kept for the backward pass", {}}}};
  Table table{{"from", "kept"}, {}};
  const std::size_t every = (all.size() + kMostPoints / 2 - 1) / (kMostPoints / 2);
  double before = 0;
  const auto add = [&](std::size_t i) {
    const auto [us, bytes] = all[i];
    const std::string text = fmt::format("{}: {}", time_text(us), bytes_text(bytes));
    auto& points = chart.series[0].points;
    points.push_back({us / unit.us, before * 1e-9, text});
    points.push_back({us / unit.us, bytes * 1e-9, text});
    before = bytes;
    if (i % (all.size() / kRows + 1) == 0) table.rows.push_back({time_text(us), bytes_text(bytes)});
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    // The fullest instant is there, whatever is left out.
    if (i % every == 0 || i + 1 == all.size() || i == std::size_t(most - all.begin())) add(i);
  }
  return Figure{
      .title = "Kept over time",
      .sentence = fmt::format("What the fullest rank keeps for its backward passes: at "
                              "most {}, after {}.",
                              bytes_text(most->second), time_text(most->first)),
      .chart = std::move(chart),
      .table = std::move(table),
      .note = every > 1 ? fmt::format("Every {} instants of {}.", every, all.size()) : ""};
}

// Of other intervals between checkpoints, from an eighth to eight times that of the run.
std::optional<Figure> intervals(const RunResult& result, const RunPlan& plan) {
  const workloads::Goodput& run = *result.training->goodput;
  if (run.checkpoint_every_s <= 0 || plan.gpu_mtbf_s <= 0 || plan.blocks_s <= 0) return {};
  constexpr int kAround = 12;  // points each way, four an octave
  const double minutes = run.checkpoint_every_s / 60;
  Lines chart{.x = {.name = "minutes from checkpoint to checkpoint", .log = true},
              .y = {.name = "% of the time is progress"},
              .series = {{"goodput", {}}, {"this run", {}}}};
  Table table{{"a checkpoint every", "progress"}, {}};
  double best = 0, at = 0;
  for (int i = -kAround; i <= kAround; ++i) {
    RunPlan other = plan;
    other.every_s = run.checkpoint_every_s * std::exp2(i / 4.0);
    const double share =
        workloads::goodput_of(other, result.report.gpus, result.report.tokens_per_s).goodput;
    const std::string every = while_text(*other.every_s);
    chart.series[0].points.push_back(
        {*other.every_s / 60, 100 * share, fmt::format("{}: {}", every, percent_text(share))});
    table.rows.push_back({every, percent_text(share)});
    if (share > best) {
      best = share;
      at = *other.every_s;
    }
  }
  chart.series[1].points.push_back(
      {minutes, 100 * run.goodput,
       fmt::format("this run, {}: {}", while_text(run.checkpoint_every_s),
                   percent_text(run.goodput))});
  return Figure{
      .title = "Goodput by interval",
      .sentence = fmt::format("With a checkpoint every {}, {} of the time is progress; "
                              "the best of these intervals is {}, with {}.",
                              while_text(run.checkpoint_every_s), percent_text(run.goodput),
                              while_text(at), percent_text(best)),
      .chart = std::move(chart),
      .table = std::move(table)};
}

void add(Page& page, std::string_view title, std::optional<Figure> figure) {
  if (!figure) return;
  for (Section& section : page.sections)
    if (section.title == title) section.figures.push_back(std::move(*figure));
}

}  // namespace

void add_training_figures(const RunResult& result, const workloads::TrainingQuestion& question,
                          Page& page) {
  if (result.recording) add(page, "Pipeline", schedule(*result.recording));
  add(page, "Memory", kept_over_time(*result.training));
  if (question.run) add(page, "Run", intervals(result, *question.run));
}

}  // namespace moesim::tools
