#include "tools/report/serving_figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report/number_text.h"
#include "validation/statistics.h"

namespace moesim::tools {
namespace {

using workloads::serving::PlayedService;
using workloads::serving::RequestRecord;
using workloads::serving::ServiceSample;

// Every so many of many, the last one kept.
std::vector<std::size_t> thinned(std::size_t count) {
  const std::size_t step = (count + kMostPoints - 1) / kMostPoints;
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < count; i += std::max<std::size_t>(step, 1)) at.push_back(i);
  if (!at.empty() && at.back() != count - 1) at.push_back(count - 1);
  return at;
}

// The share of requests that had waited no longer; `target` as a line of its own.
std::optional<Figure> distribution(std::string title, std::string what, std::vector<double> us,
                                   std::optional<double> target_us) {
  if (us.size() < 2) return {};
  std::ranges::sort(us);
  // As the report has percentiles (serving_report.h).
  const auto at = [&](double percent) { return validation::quantile(us, percent / 100); };
  const TimeUnit unit = time_unit(us[us.size() / 2]);
  const auto share = [&](std::size_t i) { return 100 * double(i + 1) / double(us.size()); };
  Lines chart{.x = {.name = fmt::format("{}, {}", what, unit.name)},
              .y = {.name = "% of requests"},
              .series = {{"requests", {}}}};
  for (const std::size_t i : thinned(us.size()))
    chart.series[0].points.push_back(
        {us[i] / unit.us, share(i),
         fmt::format("{:.1f} %: {} at most", share(i), time_text(us[i]))});
  Table table{{"of the requests", "at most"}, {}};
  for (const int percent : {10, 25, 50, 75, 90, 95, 99, 100}) {
    table.rows.push_back({fmt::format("{} %", percent), time_text(at(percent))});
  }
  std::string sentence = fmt::format(
      "Half of the requests wait {} at most, one in a hundred more "
      "than {}.",
      time_text(at(50)), time_text(at(99)));
  if (target_us) {
    const auto within = std::ranges::upper_bound(us, *target_us) - us.begin();
    sentence +=
        fmt::format(" {} are within the target of {}.",
                    percent_text(double(within) / double(us.size())), time_text(*target_us));
    // One that is far beyond all of them would leave no room for them.
    constexpr double kFar = 3;
    if (*target_us > kFar * us.back()) {
      return Figure{.title = std::move(title),
                    .sentence = std::move(sentence),
                    .chart = std::move(chart),
                    .table = std::move(table)};
    }
    chart.series.push_back({"target",
                            {{*target_us / unit.us, 0, "target: " + time_text(*target_us)},
                             {*target_us / unit.us, 100, "target: " + time_text(*target_us)}}});
  }
  return Figure{.title = std::move(title),
                .sentence = std::move(sentence),
                .chart = std::move(chart),
                .table = std::move(table)};
}

// At most so many rows of a table, evenly.
constexpr std::size_t kRows = 100;

std::optional<Figure> state(const std::vector<ServiceSample>& samples, double blocks) {
  if (samples.size() < 2) return {};
  Lines chart{.x = {.name = "time, s"},
              .y = {.name = "requests"},
              .series = {{"running", {}}, {"waiting", {}}}};
  Table table{{"time", "running", "waiting", "cache in use", "tokens so far"}, {}};
  const auto seconds = [](const ServiceSample& s) { return sim::to_seconds(s.at - sim::Time{}); };
  std::int64_t most = 0;
  const std::vector<std::size_t> at = thinned(samples.size());
  for (std::size_t k = 0; k < at.size(); ++k) {
    const ServiceSample& s = samples[at[k]];
    const std::string when = fmt::format("{:.0f} s", seconds(s));
    most = std::max(most, s.waiting);
    chart.series[0].points.push_back(
        {seconds(s), double(s.running), fmt::format("{}: {} run", when, s.running)});
    chart.series[1].points.push_back(
        {seconds(s), double(s.waiting), fmt::format("{}: {} wait", when, s.waiting)});
    if (k % (at.size() / kRows + 1) != 0) continue;
    table.rows.push_back({when, count_text(double(s.running)), count_text(double(s.waiting)),
                          blocks > 0 ? percent_text(double(s.blocks) / blocks) : "-",
                          count_text(double(s.tokens))});
  }
  return Figure{.title = "Requests over time",
                .sentence = most == 0 ? "No request ever waits at a full second."
                                      : fmt::format("At most {} wait at a full second.",
                                                    count_text(double(most))),
                .chart = std::move(chart),
                .table = std::move(table)};
}

std::optional<Figure> cache(const std::vector<ServiceSample>& samples, double blocks) {
  if (samples.size() < 2 || blocks <= 0) return {};
  Lines chart{.x = {.name = "time, s"},
              .y = {.name = "% of the cache's blocks"},
              .series = {{"cache", {}}}};
  Table table{{"time", "blocks", "of all"}, {}};
  double most = 0;
  const std::vector<std::size_t> at = thinned(samples.size());
  for (std::size_t k = 0; k < at.size(); ++k) {
    const ServiceSample& s = samples[at[k]];
    const double share = double(s.blocks) / blocks;
    most = std::max(most, share);
    const double x = sim::to_seconds(s.at - sim::Time{});
    chart.series[0].points.push_back(
        {x, 100 * share, fmt::format("{:.0f} s: {}", x, percent_text(share))});
    if (k % (at.size() / kRows + 1) == 0)
      table.rows.push_back(
          {fmt::format("{:.0f} s", x), count_text(double(s.blocks)), percent_text(share)});
  }
  return Figure{.title = "Cache over time",
                .sentence = fmt::format("At most {} of the blocks are in use at a full second.",
                                        percent_text(most)),
                .chart = std::move(chart),
                .table = std::move(table)};
}

}  // namespace

void add_serving_figures(const PlayedService& played,
                         const workloads::serving::ServingQuestion& question, Page& page) {
  std::vector<double> ttft, tpot;
  for (const RequestRecord& r : played.records) {
    if (r.id < question.warm_up) continue;
    ttft.push_back(sim::to_us(r.ttft()));
    if (r.output > 1) tpot.push_back(sim::to_us(r.latency() - r.ttft()) / double(r.output - 1));
  }
  const auto us = [](const std::optional<sim::Duration>& target) -> std::optional<double> {
    if (!target) return {};
    return sim::to_us(*target);
  };
  auto& requests = page.sections.front().figures;
  const auto add = [](std::vector<Figure>& to, std::optional<Figure> figure) {
    if (figure) to.push_back(std::move(*figure));
  };
  add(requests, distribution("Waiting for the first token", "time to the first token",
                             std::move(ttft), us(question.targets.ttft)));
  add(requests, distribution("Waiting for each further token", "time for each further token",
                             std::move(tpot), us(question.targets.tpot)));
  const double blocks = double(played.report.kv_blocks) * double(question.pool.most_replicas()) *
                        double(question.pool.layout.dp);
  Section over{.title = "Over time"};
  add(over.figures, state(played.samples, blocks));
  add(over.figures, cache(played.samples, blocks));
  if (!over.figures.empty()) page.sections.insert(page.sections.begin() + 1, std::move(over));
}

}  // namespace moesim::tools
