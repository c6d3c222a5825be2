// Two runs side by side: where the difference lies, and why.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/report/compare_text.h"
#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "workloads/report/time_account.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::int64_t ps_of(const Json& us) {
  return std::llround(us.get<double>() * 1e6);
}

struct Step {
  std::string name;
  std::int64_t ps = 0;
};

// The largest steps, the rest as one, and the sum.
Bars waterfall(std::vector<Step> steps, std::int64_t sum, std::string_view rest) {
  std::ranges::stable_sort(
      steps, [](const Step& x, const Step& y) { return std::abs(x.ps) > std::abs(y.ps); });
  constexpr std::size_t kMost = 12;
  std::int64_t left = sum;
  if (steps.size() > kMost) steps.resize(kMost);
  for (const Step& step : steps) left -= step.ps;
  if (left != 0) steps.push_back({std::string(rest), left});
  steps.push_back({"B less A", sum});
  double largest = 0;
  for (const Step& step : steps) largest = std::max(largest, std::abs(1e-6 * double(step.ps)));
  const TimeUnit unit = time_unit(largest);
  Bars chart{.unit = fmt::format("difference from A, {}", unit.name),
             .categories = {},
             .series = {{"difference", {}}},
             .running = true};
  for (const Step& step : steps) {
    chart.categories.push_back(step.name);
    chart.series[0].values.push_back({1e-6 * double(step.ps) / unit.us, signed_time(step.ps)});
  }
  return chart;
}

Figure why(const Json& compare) {
  std::vector<Step> steps;
  Table table{{"part", "time", "what differs in it"}, {}};
  for (const Json& share : compare.at("why")) {
    std::string keys;
    for (const Json& key : share.at("keys"))
      keys +=
          fmt::format("{}{}: {} -> {}", keys.empty() ? "" : "; ", key.at("key").get<std::string>(),
                      key.at("a").get<std::string>(), key.at("b").get<std::string>());
    steps.push_back({share.at("part"), ps_of(share.at("us"))});
    table.rows.push_back({share.at("part"), signed_time(ps_of(share.at("us"))), keys});
  }
  const Json& first = compare.at("why")[0];
  return {.title = "Why",
          .sentence = fmt::format(
              "What each changed part adds, in the mean over all orders of changing them: the most "
              "is {}, {}.",
              first.at("part").get<std::string>(), signed_time(ps_of(first.at("us")))),
          .chart = waterfall(std::move(steps), ps_of(compare.at("difference_us")), "the rest"),
          .table = std::move(table)};
}

Figure where(const Json& compare) {
  std::map<std::pair<std::string, std::string>, std::int64_t> sums;
  for (const Json& share : compare.at("where"))
    sums[{share.at("phase"), share.at("reason")}] += ps_of(share.at("us"));
  std::vector<Step> steps;
  for (const auto& [cell, ps] : sums) {
    const bool plain =
        std::ranges::find(workloads::kReasonNames, cell.second) == workloads::kReasonNames.end();
    steps.push_back({plain ? cell.first : workloads::bottleneck_name(cell.first, cell.second), ps});
  }
  std::ranges::stable_sort(
      steps, [](const Step& x, const Step& y) { return std::abs(x.ps) > std::abs(y.ps); });
  Table table{{"phase and reason", "time"}, {}};
  for (const Step& step : steps) table.rows.push_back({step.name, signed_time(step.ps)});
  return {.title = "Where",
          .sentence = fmt::format("Over all layers, by phase and what takes the time: the most is "
                                  "{}, {}.",
                                  steps.front().name, signed_time(steps.front().ps)),
          .chart = waterfall(steps, ps_of(compare.at("difference_us")), "everything else"),
          .table = std::move(table)};
}

std::optional<Figure> by_layer(const Json& compare) {
  std::map<std::int64_t, std::int64_t> layers;
  for (const Json& share : compare.at("where"))
    if (share.at("layer") >= 0) layers[share.at("layer")] += ps_of(share.at("us"));
  if (layers.size() < 2) return {};
  double largest = 0;
  std::int64_t most = layers.begin()->first;
  for (const auto& [layer, ps] : layers) {
    largest = std::max(largest, std::abs(1e-6 * double(ps)));
    if (std::abs(ps) > std::abs(layers.at(most))) most = layer;
  }
  const TimeUnit unit = time_unit(largest);
  Lines chart{.x = {.name = "layer", .whole = true},
              .y = {.name = fmt::format("difference from A, {}", unit.name)},
              .series = {{"B less A", {}}}};
  Table table{{"layer", "time"}, {}};
  for (const auto& [layer, ps] : layers) {
    chart.series[0].points.push_back({double(layer), 1e-6 * double(ps) / unit.us,
                                      fmt::format("layer {}: {}", layer, signed_time(ps))});
    table.rows.push_back({std::to_string(layer), signed_time(ps)});
  }
  return Figure{.title = "By layer",
                .sentence = fmt::format("Of all layers the difference is largest in layer {}: {}.",
                                        most, signed_time(layers.at(most))),
                .chart = std::move(chart),
                .table = std::move(table)};
}

Figure phases(const Json& compare) {
  double largest = 0;
  for (const Json& pair : compare.at("phases"))
    largest = std::max({largest, pair.at("a").get<double>(), pair.at("b").get<double>()});
  const TimeUnit unit = time_unit(largest);
  Bars chart{.unit = fmt::format("time of the mean rank, {}", unit.name),
             .categories = {},
             .series = {{"A", {}}, {"B", {}}}};
  Table table{{"phase", "A", "B", "difference"}, {}};
  for (const Json& pair : compare.at("phases")) {
    chart.categories.push_back(pair.at("phase"));
    const char* sides[] = {"a", "b"};
    for (std::size_t s = 0; s < 2; ++s) {
      const double us = pair.at(sides[s]);
      chart.series[s].values.push_back(
          {us / unit.us, fmt::format("{}: {}", s == 0 ? "A" : "B", time_text(us))});
    }
    table.rows.push_back({pair.at("phase"), time_text(pair.at("a")), time_text(pair.at("b")),
                          signed_time(ps_of(pair.at("b")) - ps_of(pair.at("a")))});
  }
  return {.title = "Phases side by side",
          .sentence = "Each phase of both, over all layers and reasons.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure pairs(const Json& list, const char* key, std::string title, std::string sentence) {
  Table table{{key == std::string("key") ? "key" : "what", "A", "B"}, {}};
  for (const Json& one : list) {
    if (table.rows.size() == kMostTableRows) break;
    table.rows.push_back({one.at(key), one.at("a"), one.at("b")});
  }
  return {.title = std::move(title), .sentence = std::move(sentence), .table = std::move(table)};
}

void add(const Json& compare, const std::string& suffix, Page& page) {
  Section section{.title = "Difference" + suffix,
                  .text = {fmt::format("A: {}", compare.at("a_name").get<std::string>()),
                           fmt::format("B: {}", compare.at("b_name").get<std::string>())}};
  if (!suffix.empty()) section.text.push_back(difference_text(compare) + ".");
  if (!compare.at("why").empty()) section.figures.push_back(why(compare));
  if (!compare.at("where").empty()) {
    section.figures.push_back(where(compare));
    if (auto figure = by_layer(compare)) section.figures.push_back(std::move(*figure));
  }
  if (!compare.at("phases").empty()) section.figures.push_back(phases(compare));
  page.sections.push_back(std::move(section));
  Section sides{.title = "Both sides" + suffix};
  if (!compare.at("figures").empty()) {
    sides.figures.push_back(
        pairs(compare.at("figures"), "what", "Other figures", "What else is not the same."));
  }
  if (!compare.at("keys").empty()) {
    sides.figures.push_back(
        pairs(compare.at("keys"), "key", "Keys that differ",
              "Of the scenarios as they were used, every default written out."));
  }
  if (!sides.figures.empty()) page.sections.push_back(std::move(sides));
  for (const Json& flag : compare.at("flags")) page.warnings.push_back(flag);
}

}  // namespace

Page compare_page(const Json& report) {
  const Json& compare = report.at("compare");
  Page page{.kind = "compare",
            .title = "A comparison",
            .what = fmt::format("{} against {}", compare.at("b_name").get<std::string>(),
                                compare.at("a_name").get<std::string>()),
            .answer = difference_text(compare) + "."};
  if (!report.contains("comparisons")) {
    add(compare, "", page);
    return page;
  }
  int number = 0;
  for (const Json& one : report.at("comparisons")) add(one, fmt::format(", {}", ++number), page);
  return page;
}

}  // namespace moesim::tools
