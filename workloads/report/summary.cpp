#include "workloads/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/check.h"
#include "workloads/report/loads.h"
#include "workloads/report/structure.h"
#include "workloads/step/factors.h"

namespace moesim::workloads {
namespace {

// What the time of a host may differ by: engines and processors differ by more than what any figure
// says (configs/engines).
constexpr double kHostLow = 0.5, kHostHigh = 2;

double picoseconds(sim::Duration time) {
  return static_cast<double>(time.count());
}

void add_loads(std::vector<LayerLoad>& sum, const std::vector<LayerLoad>& step) {
  if (sum.size() < step.size()) sum.resize(step.size());
  const auto add = [](std::vector<std::uint64_t>& to, const std::vector<std::uint64_t>& from) {
    to.resize(std::max(to.size(), from.size()));
    for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
  };
  for (std::size_t i = 0; i < step.size(); ++i) {
    sum[i].layer = step[i].layer;
    add(sum[i].expert_counts, step[i].expert_counts);
    add(sum[i].rank_rows, step[i].rank_rows);
  }
}

}  // namespace

void Summary::add(const StepOutcome& step, double output, double weight) {
  steps_ += weight;
  ranks_ = static_cast<double>(step.times.ranks.size());
  step_times_us_.push_back(sim::to_us(step.time));
  weights_.push_back(weight);
  waited_for_.resize(step.times.ranks.size());
  const std::vector<sim::PhaseTime>& places = step.times.places;
  for (std::size_t i = 0; i < places.size(); ++i) {
    PhaseSum& phase = phases_[i % kPhases];
    phase.busy += weight * picoseconds(places[i].busy);
    phase.exposed += weight * picoseconds(places[i].exposed);
    phase.waiting += weight * picoseconds(places[i].waiting);
  }
  std::size_t index = 0;
  for (const sim::RankTime& rank : step.times.ranks) {
    idle_ += weight * picoseconds(rank.idle);
    waited_for_[index++] += weight * picoseconds(rank.waited_for);
  }
  time_.add(step, weight);
  output_ += weight * output;
  const StepAccount& account = step.account;
  account_.tokens += account.tokens;
  account_.routed_tokens += account.routed_tokens;
  account_.selections += account.selections;
  account_.missing += account.missing;
  account_.rows += account.rows;
  account_.selections_away += account.selections_away;
  account_.copies += account.copies;
  account_.copies_away += account.copies_away;
  add_work(account, weight);
  add_loads(account_.layers, account.layers);
  for (const LayerLoad& layer : account.layers) {
    for (const std::uint64_t rows : layer.rank_rows) {
      most_rows_ = std::max(most_rows_, static_cast<std::int64_t>(rows));
    }
  }
}

void Summary::add_work(const StepAccount& account, double weight) {
  for (std::size_t i = 0; i < kPhases; ++i) {
    const Work& work = account.work[i];
    work_[i].time += weight * picoseconds(work.time);
    if (static_cast<Phase>(i) == Phase::Attention)
      cores_ += weight * picoseconds(time_of_cores(work));
    ledger_.add(i, work.priced, weight);
    for (const sim::Bytes moved : account.payload[i]) {
      bytes_[i] += weight * static_cast<double>(moved.count());
    }
    const Work& exchanged = account.exchanged[i];
    exchanged_[i].time += weight * picoseconds(exchanged.time);
    exchanged_[i].low += weight * exchanged.p10_ps;
    exchanged_[i].high += weight * exchanged.p90_ps;
    ledger_.add(i, exchanged.priced, weight);
    work_[i].flops += weight * work.flops.count();
    work_[i].bytes += weight * static_cast<double>(work.bytes.count());
    work_[i].low += weight * work.p10_ps;
    work_[i].high += weight * work.p90_ps;
  }
}

void Summary::write(const Deployment& deployment, Report& report) const {
  SIM_CHECK(steps_ > 0, "a report of no step");
  report.step_times_us = step_times_us_;
  report.step_time_us = distribution_of(step_times_us_, weights_);
  report.tokens_per_step = output_ / steps_;
  report.tokens_per_s = report.tokens_per_step / (report.step_time_us.mean * 1e-6);
  report.tokens_per_s_per_gpu = report.tokens_per_s / static_cast<double>(report.gpus);
  report.conservation = {.tokens = account_.tokens,
                         .routed_tokens = account_.routed_tokens,
                         .selections = account_.selections,
                         .missing = account_.missing,
                         .rows = account_.rows,
                         .selections_away = account_.selections_away,
                         .copies = account_.copies,
                         .copies_away = account_.copies_away};
  write_phases(report);
  workloads::write_loads(account_.layers, report);
  write_time(deployment, report);
  write_waited_for(deployment.cluster, report);
  write_intervals(report);
  ledger_.write(deployment, report);
}

void Summary::write_phases(Report& report) const {
  const double each = steps_ * ranks_;
  for (std::size_t i = 0; i < kPhases; ++i) {
    report.phases[i] = {.busy_us = phases_[i].busy * 1e-6 / each,
                        .exposed_us = phases_[i].exposed * 1e-6 / each,
                        .waiting_us = phases_[i].waiting * 1e-6 / each,
                        .flops = work_[i].flops / steps_,
                        .memory_bytes = work_[i].bytes / steps_,
                        .network_bytes = bytes_[i] / steps_};
  }
  report.idle_us = idle_ * 1e-6 / each;
}

// Where the mean rank's step goes, and over all layers what bounds it.
void Summary::write_time(const Deployment& deployment, Report& report) const {
  const auto step = static_cast<std::int64_t>(std::llround(report.step_time_us.mean * 1e6));
  report.time = time_.cells(step, deployment.layout.pp > 1);
  std::map<std::pair<std::string_view, std::string_view>, std::int64_t> sums;
  for (const TimeReport& cell : report.time) sums[{cell.phase, cell.reason}] += cell.ps;
  for (const auto& [what, ps] : sums) {
    report.bottleneck.push_back({.what = bottleneck_name(what.first, what.second),
                                 .time_us = static_cast<double>(ps) * 1e-6,
                                 .share = static_cast<double>(ps) / static_cast<double>(step)});
  }
  std::stable_sort(report.bottleneck.begin(), report.bottleneck.end(),
                   [](const auto& a, const auto& b) { return a.time_us > b.time_us; });
}

// The ranks that cost others most, of those that cost more than their share.
void Summary::write_waited_for(const hardware::Cluster& cluster, Report& report) const {
  constexpr std::size_t kMost = 8;
  double all = 0;
  for (const double time : waited_for_) all += time;
  if (all == 0) return;
  for (std::size_t rank = 0; rank < waited_for_.size(); ++rank) {
    const double share = waited_for_[rank] / all;
    if (share * static_cast<double>(waited_for_.size()) <= 1) continue;
    report.waited_for.push_back({.rank = static_cast<std::int64_t>(rank),
                                 .share = share,
                                 .speed = cluster.speed_of(static_cast<Rank>(rank))});
  }
  std::ranges::stable_sort(report.waited_for,
                           [](const auto& a, const auto& b) { return a.share > b.share; });
  if (report.waited_for.size() > kMost) report.waited_for.resize(kMost);
}

// Microseconds: the ends of what the mean step exposes of a phase.
Summary::Ends Summary::ends_of(std::size_t phase, const Report& report) const {
  const WorkSum& work = work_[phase].time > 0 ? work_[phase] : exchanged_[phase];
  const double exposed = report.phases[phase].exposed_us;
  if (phase == index_of(Phase::Host)) return {exposed * kHostLow, exposed * kHostHigh};
  if (work.time <= 0) return {0, 0};
  return {exposed * work.low / work.time, exposed * work.high / work.time};
}

void Summary::write_intervals(Report& report) const {
  const auto doubts = doubts_of(report);
  for (std::size_t f = 0; f < kFactors; ++f)
    if (doubts[f].us > 0) report.doubt[std::string(kFactorNames[f])] = doubts[f];
  const Ends models = common_ends(report);
  const double time = report.step_time_us.mean,
               low = time * with_structure(models.low, kStepStructure, true),
               high = time * with_structure(models.high, kStepStructure, false);
  report.interval["step_time_us"] = {.p10 = low, .p90 = high};
  report.interval["tokens_per_s_per_gpu"] = {.p10 = report.tokens_per_s_per_gpu * time / high,
                                             .p90 = report.tokens_per_s_per_gpu * time / low};
}

std::array<DoubtReport, kFactors> Summary::doubts_of(const Report& report) const {
  std::array<DoubtReport, kFactors> doubts{};
  for (std::size_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    const Ends ends = ends_of(i, report);
    const auto add = [&](Factor factor, double part) {
      DoubtReport& doubt = doubts[static_cast<std::size_t>(factor)];
      doubt.us += part * (ends.high > 0 ? report.phases[i].exposed_us : 0);
      doubt.p10_us += part * ends.low;
      doubt.p90_us += part * ends.high;
    };
    // Attention's cores have a model of their own beside its projections.
    const double cores =
        phase == Phase::Attention && work_[i].time > 0 ? cores_ / work_[i].time : 0;
    add(Factor::Attention, cores);
    add(factor_of(phase), 1 - cores);
  }
  return doubts;
}

Summary::Ends Summary::common_ends(const Report& report) const {
  const double time = report.step_time_us.mean;
  if (time <= 0) return {};
  double less = 0, more = 0;
  for (const DoubtReport& doubt : doubts_of(report)) {
    less = std::hypot(less, doubt.us - doubt.p10_us);
    more = std::hypot(more, doubt.p90_us - doubt.us);
  }
  return {1 - less / time, 1 + more / time};
}

}  // namespace moesim::workloads
