#include "tools/study/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "sim/error.h"
#include "sim/units_text.h"
#include "tools/study/doubt.h"
#include "workloads/report/structure.h"
#include "workloads/report/time_account.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::int64_t ps_of_us(double us) {
  return std::llround(us * 1e6);
}

struct Cell {
  std::int64_t layer;
  std::string phase, reason;
  auto operator<=>(const Cell&) const = default;
};
using Cells = std::map<Cell, std::int64_t>;

Cells cells_of_step(const Json& report) {
  Cells cells;
  for (const Json& cell : report.at("time"))
    cells[{cell.at("layer"), cell.at("phase"), cell.at("reason")}] += ps_of_us(cell.at("us"));
  return cells;
}

// Parts of the mean TTFT; what rounding leaves of it goes to the largest.
Cells cells_of_service(const Json& serving, std::int64_t total) {
  Cells cells;
  const Cell* largest = nullptr;
  for (const auto& [name, ms] : serving.at("ttft_parts_ms").items()) {
    const std::int64_t ps = ps_of_us(ms.get<double>() * 1e3);
    if (ps == 0) continue;
    const auto at = cells.emplace(Cell{-1, name, "ttft"}, ps).first;
    total -= ps;
    if (largest == nullptr || ps > cells.at(*largest)) largest = &at->first;
  }
  if (largest != nullptr) cells.at(*largest) += total;
  return cells;
}

// The sums of the mean pipeline rank: passes, exchanges that nothing hides, and waiting.
Cells cells_of_training(const Json& training, std::int64_t total) {
  std::vector<Cell> cells;
  std::vector<double> parts;
  const auto add = [&](const std::string& phase, const std::string& reason, double us) {
    const Cell cell{-1, phase, reason};
    const auto found = std::ranges::find(cells, cell);
    if (found == cells.end()) {
      cells.push_back(cell);
      parts.push_back(us);
    } else {
      parts[static_cast<std::size_t>(found - cells.begin())] += us;
    }
  };
  for (const Json& rank : training.at("ranks")) {
    add("forward", "kernels", rank.at("f_us"));
    add("backward", "kernels", rank.at("b_us"));
    add("weight_gradients", "kernels", rank.at("w_us"));
    add("forward_and_backward", "kernels", rank.at("fb_us"));
    add("optimizer", "kernels", rank.at("optimizer_us"));
    add("idle", "bubble", rank.at("bubble_us"));
    for (const auto& [kind, us] : rank.at("exposed_us").items())
      add(kind, kind == "host" ? "host" : "network", us);
  }
  const std::vector<std::int64_t> whole = workloads::largest_remainder(parts, total);
  Cells result;
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (whole[i] != 0) result.emplace(cells[i], whole[i]);
  return result;
}

struct Side {
  const Json& report;
  const std::string& name;
  bool service() const { return report.contains("serving"); }
  bool training() const { return report.contains("training"); }
  std::int64_t total_ps() const {
    return service() ? ps_of_us(report.at("serving").at("mean_ttft_ms").get<double>() * 1e3)
                     : ps_of_us(report.at("step_time_us").at("mean"));
  }
  Cells cells() const {
    if (service()) return cells_of_service(report.at("serving"), total_ps());
    if (training()) return cells_of_training(report.at("training"), total_ps());
    return cells_of_step(report);
  }
  Json interval() const {
    const Json& of = service() ? report.at("serving") : report;
    return of.value("interval", Json::object())
        .value(service() ? "mean_ttft_ms" : "step_time_us", Json());
  }
};

void check_side(const Side& side) {
  if (!side.report.is_object() || !side.report.contains("scenario") ||
      (!side.service() && !side.report.contains("step_time_us"))) {
    throw sim::InputError(fmt::format(
        "{}: no report of a run: expected what moesim run --format json prints", side.name));
  }
  if (!side.service() && !side.training() && !side.report.contains("time")) {
    throw sim::InputError(fmt::format(
        "{}: a report of an older version, without time[]: run its scenario again", side.name));
  }
}

std::vector<WhereShare> where_of(const Cells& a, const Cells& b) {
  std::set<std::pair<std::int64_t, std::string>> in_a, in_b;
  for (const auto& [cell, ps] : a) in_a.emplace(cell.layer, cell.phase);
  for (const auto& [cell, ps] : b) in_b.emplace(cell.layer, cell.phase);
  Cells difference = b;
  for (const auto& [cell, ps] : a) difference[cell] -= ps;
  std::vector<WhereShare> where;
  for (const auto& [cell, ps] : difference) {
    if (ps == 0) continue;
    WhereShare share{.layer = cell.layer, .phase = cell.phase, .reason = cell.reason, .ps = ps};
    if (!in_b.contains({cell.layer, cell.phase})) share.only = "A";
    if (!in_a.contains({cell.layer, cell.phase})) share.only = "B";
    where.push_back(std::move(share));
  }
  std::ranges::stable_sort(
      where, [](const auto& x, const auto& y) { return std::abs(x.ps) > std::abs(y.ps); });
  return where;
}

std::vector<PhasePair> phases_of(const Cells& a, const Cells& b) {
  std::map<std::string, PhasePair> phases;
  for (const auto& [cell, ps] : a) phases[cell.phase].a_ps += ps;
  for (const auto& [cell, ps] : b) phases[cell.phase].b_ps += ps;
  std::vector<PhasePair> sorted;
  for (auto& [phase, pair] : phases) sorted.push_back({phase, pair.a_ps, pair.b_ps});
  std::ranges::stable_sort(sorted, [](const auto& x, const auto& y) {
    return std::max(x.a_ps, x.b_ps) > std::max(y.a_ps, y.b_ps);
  });
  return sorted;
}

void add_figures(const Side& a, const Side& b, Comparison& comparison) {
  const auto add = [&](const char* name, const char* pointer, int digits) {
    const Json::json_pointer at(pointer);
    if (!a.report.contains(at) || !b.report.contains(at)) return;
    const Json &x = a.report.at(at), &y = b.report.at(at);
    if (!x.is_number() || !y.is_number() || x == y) return;
    const double left = x.get<double>(), right = y.get<double>();
    std::string key = pointer + 1;
    std::ranges::replace(key, '/', '.');
    comparison.figures.push_back({name, fmt::format("{:.{}f}", left, digits),
                                  fmt::format("{:.{}f}", right, digits), std::move(key), left,
                                  right});
  };
  add("GPUs", "/gpus", 0);
  add("tokens/s", "/throughput/tokens_per_s", 0);
  add("tokens/s per GPU", "/throughput/tokens_per_s_per_gpu", 1);
  const Json::json_pointer peak("/memory/peak_bytes");
  if (a.report.contains(peak) && b.report.contains(peak) && a.report[peak] != b.report[peak]) {
    const auto left = a.report[peak].get<std::int64_t>(),
               right = b.report[peak].get<std::int64_t>();
    comparison.figures.push_back({"memory of the fullest GPU", sim::to_text(sim::Bytes(left)),
                                  sim::to_text(sim::Bytes(right)), "memory.peak_bytes",
                                  static_cast<double>(left), static_cast<double>(right)});
  }
  add("busiest rank, rows over the mean", "/rank_load/max_over_mean", 2);
  add("mean TPOT, ms", "/serving/mean_tpot_ms", 3);
  add("p99 TTFT, ms", "/serving/p99_ttft_ms", 1);
  add("requests/s", "/serving/request_throughput", 2);
  add("capacity, requests/s", "/serving/saturation/capacity", 2);
  add("padding, share of rows", "/serving/padding_share", 4);
  add("padding, share of the experts' rows", "/training/routing/padding_share", 4);
  add("dropped, share of selections", "/training/routing/dropped_share", 4);
  add("MFU", "/training/mfu", 4);
}

void add_flags(const Side& a, const Side& b, Comparison& comparison) {
  auto& flags = comparison.flags;
  const auto text = [](const Side& side, const char* pointer) {
    const Json::json_pointer at(pointer);
    return side.report.contains(at) && side.report.at(at).is_string()
               ? side.report.at(at).get<std::string>()
               : std::string();
  };
  const std::string phase_a = text(a, "/scenario/step/phase"),
                    phase_b = text(b, "/scenario/step/phase");
  if (phase_a != phase_b && !phase_a.empty() && !phase_b.empty()) {
    flags.push_back(fmt::format("tokens of A are of {}, those of B of {}", phase_a, phase_b));
  }
  const std::string version_a = text(a, "/manifest/version"),
                    version_b = text(b, "/manifest/version");
  if (version_a != version_b)
    flags.push_back(fmt::format("A was made by version {}, B by {}", version_a, version_b));
  constexpr double kMostExtrapolated = 0.05;
  for (const auto& [side, letter] : {std::pair{&a, 'A'}, {&b, 'B'}}) {
    const double share = side->report.value("extrapolated", Json::object()).value("share", 0.0);
    if (share > kMostExtrapolated) {
      flags.push_back(fmt::format("{:.1f} % of {} lies outside what its cost models were fitted on",
                                  100 * share, letter));
    }
    const Json memory = side->report.value("memory", Json::object());
    if (!memory.value("fits", true)) flags.push_back(fmt::format("{} does not fit", letter));
  }
}

// Of two steps whose reports say what each cost model's doubt comes to: an error of one model moves
// both, errors of different ones are independent, and what is in no model moves both alike.
bool add_by_models(const Json& a, const Json& b, Comparison& comparison) {
  const auto x = Doubt::of(a), y = Doubt::of(b);
  if (!x || !y) return false;
  double less = 0, more = 0;
  for (std::size_t f = 0; f < workloads::kFactors; ++f) {
    double down = 0, up = 0;
    for (const double end : {-workloads::kTenthDeviation, workloads::kTenthDeviation}) {
      Doubt::Draw draw;
      draw.models[f] = end;
      const double moved = std::log(y->scale(draw) / x->scale(draw));
      down = std::min(down, moved), up = std::max(up, moved);
    }
    less = std::hypot(less, down), more = std::hypot(more, up);
  }
  const double ratio = static_cast<double>(comparison.b_ps) / static_cast<double>(comparison.a_ps);
  comparison.low = ratio * std::exp(-less) - 1;
  comparison.high = ratio * std::exp(more) - 1;
  comparison.has_interval = true;
  return true;
}

// Of the ends of both intervals, as if one error moved both, where no more is known.
void add_interval(const Side& a, const Side& b, Comparison& comparison) {
  if (comparison.a_ps > 0 && add_by_models(a.report, b.report, comparison)) return;
  const Json x = a.interval(), y = b.interval();
  if (!x.is_object() || !y.is_object()) return;
  const double low_a = x.at("p10"), high_a = x.at("p90");
  if (low_a <= 0 || high_a <= 0) return;
  const double at_low = y.at("p10").get<double>() / low_a - 1;
  const double at_high = y.at("p90").get<double>() / high_a - 1;
  comparison.low = std::min(at_low, at_high);
  comparison.high = std::max(at_low, at_high);
  comparison.has_interval = true;
}

}  // namespace

std::size_t largest_that_matter(const std::vector<std::int64_t>& parts) {
  double sum = 0, so_far = 0;
  for (const std::int64_t part : parts) sum += std::abs(static_cast<double>(part));
  std::size_t count = 0;
  while (count < parts.size() && so_far < 0.95 * sum)
    so_far += std::abs(static_cast<double>(parts[count++]));
  return count;
}

Comparison compare_reports(const Json& report_a, const std::string& a_name, const Json& report_b,
                           const std::string& b_name) {
  const Side a{report_a, a_name}, b{report_b, b_name};
  check_side(a);
  check_side(b);
  const auto kind = [](const Side& side) {
    return side.service() ? "a service" : side.training() ? "training" : "steps";
  };
  if (a.service() != b.service() || a.training() != b.training()) {
    throw sim::ConfigError(fmt::format("{} is of {}, {} of {}: they have no time in common", a_name,
                                       kind(a), b_name, kind(b)));
  }
  try {
    Comparison comparison{.metric = a.service() ? "mean_ttft_us" : "step_time_us",
                          .a_ps = a.total_ps(),
                          .b_ps = b.total_ps()};
    const Cells cells_a = a.cells(), cells_b = b.cells();
    comparison.where = where_of(cells_a, cells_b);
    comparison.phases = phases_of(cells_a, cells_b);
    for (KeyChange& change : changes_between(report_a.at("scenario"), report_b.at("scenario"))) {
      if (change.key != "name") comparison.keys.push_back(std::move(change));
    }
    add_figures(a, b, comparison);
    add_flags(a, b, comparison);
    add_interval(a, b, comparison);
    return comparison;
  } catch (const nlohmann::json::exception& error) {
    throw sim::InputError(
        fmt::format("{}, {}: not whole reports of a run: {}", a_name, b_name, error.what()));
  }
}

}  // namespace moesim::tools
