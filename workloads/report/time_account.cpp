#include "workloads/report/time_account.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moesim::workloads {
namespace {

double ps(sim::Duration time) {
  return static_cast<double>(time.count());
}

// hardware::Bound's order.
constexpr std::array kBounds{Reason::Launch, Reason::Compute, Reason::Memory};

}  // namespace

std::string bottleneck_name(std::string_view phase, std::string_view reason) {
  constexpr std::array<std::string_view, kReasonNames.size()> kWords{
      "launch latency", "arithmetic", "memory bandwidth", "network",
      "slower ranks",   "host",       "pipeline bubble",  "idle"};
  const auto word = kWords[static_cast<std::size_t>(std::ranges::find(kReasonNames, reason) -
                                                    kReasonNames.begin())];
  if (phase == word) return std::string(phase);
  return std::string(phase) + ": " + std::string(word);
}

std::vector<std::int64_t> largest_remainder(const std::vector<double>& parts, std::int64_t total) {
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  std::vector<std::int64_t> whole(parts.size());
  if (sum <= 0) return whole;
  std::vector<double> remainder(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double exact = parts[i] / sum * static_cast<double>(total);
    whole[i] = static_cast<std::int64_t>(std::floor(exact));
    remainder[i] = exact - std::floor(exact);
  }
  std::vector<std::size_t> order(parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto a, auto b) { return remainder[a] > remainder[b]; });
  std::int64_t left = total - std::accumulate(whole.begin(), whole.end(), std::int64_t{0});
  for (std::size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++whole[order[i]];
  // Sums of doubles may come out a unit too large.
  for (std::size_t i = order.size(); left < 0; ++left) {
    i = i == 0 ? order.size() - 1 : i - 1;
    while (whole[order[i]] == 0) i = i == 0 ? order.size() - 1 : i - 1;
    --whole[order[i]];
  }
  return whole;
}

void TimeAccount::add(const StepOutcome& step, double weight) {
  const std::vector<sim::PhaseTime>& times = step.times.places;
  places_.resize(std::max(places_.size(), times.size()));
  for (std::size_t i = 0; i < times.size(); ++i) {
    places_[i].exposed += weight * ps(times[i].exposed);
    places_[i].waiting += weight * ps(times[i].waiting);
  }
  for (const sim::RankTime& rank : step.times.ranks) idle_ += weight * ps(rank.idle);
  const std::vector<BoundTimes>& bounds = step.account.bounds;
  places_.resize(std::max(places_.size(), bounds.size()));
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    for (std::size_t b = 0; b < kBounds.size(); ++b)
      places_[i].bounds[b] += weight * ps(bounds[i][b]);
  }
}

std::vector<TimeReport> TimeAccount::cells(std::int64_t step_ps, bool pipeline) const {
  std::vector<TimeReport> cells;
  std::vector<double> parts;
  const auto add = [&](std::int64_t layer, std::string_view phase, Reason reason, double part) {
    if (part <= 0) return;
    cells.push_back({.layer = layer, .phase = phase, .reason = name_of(reason)});
    parts.push_back(part);
  };
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    const auto at = static_cast<std::uint32_t>(i);
    const std::int64_t layer = layer_of(at);
    const Phase phase = phase_of(at);
    const double computed = place.bounds[0] + place.bounds[1] + place.bounds[2];
    if (phase == Phase::Host) {
      add(layer, name_of(phase), Reason::Host, place.exposed);
    } else if (computed > 0) {
      for (std::size_t b = 0; b < kBounds.size(); ++b)
        add(layer, name_of(phase), kBounds[b], place.exposed * place.bounds[b] / computed);
    } else {
      add(layer, name_of(phase), Reason::Network, place.exposed - place.waiting);
      add(layer, name_of(phase), Reason::SlowerRanks, place.waiting);
    }
  }
  add(-1, "idle", pipeline ? Reason::Bubble : Reason::Idle, idle_);
  const std::vector<std::int64_t> whole = largest_remainder(parts, step_ps);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i].ps = whole[i];
  std::erase_if(cells, [](const TimeReport& cell) { return cell.ps == 0; });
  return cells;
}

}  // namespace moesim::workloads
