#include "tools/report/pages/serving_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"

namespace moesim::tools {

using sim::io::Json;

std::string ms_text(const Json& ms) {
  return time_text(ms.get<double>() * 1e3);
}

namespace {

Figure latencies(const Json& serving) {
  struct Row {
    const char *key, *name;
  };
  Table table{{"time", "mean", "median", "p90", "p95", "p99", "80 % interval of the mean"}, {}};
  Bars chart{.unit = "ms", .categories = {}, .series = {{"mean", {}}, {"p90", {}}, {"p99", {}}}};
  for (const Row& row :
       {Row{"ttft", "first token (TTFT)"}, Row{"tpot", "each further token (TPOT)"},
        Row{"itl", "between messages (ITL)"}, Row{"e2el", "whole request (E2EL)"},
        Row{"queue", "in the queue"}, Row{"transfer", "transfer of the cache"}}) {
    const auto at = [&](const char* which) {
      return serving.value(fmt::format("{}_{}_ms", which, row.key), Json());
    };
    if (!at("mean").is_number() || at("mean") == 0) continue;
    std::string interval = "-";
    if (const Json band = serving.at("interval").value(fmt::format("mean_{}_ms", row.key), Json());
        band.is_object())
      interval = fmt::format("{} to {}", ms_text(band.at("p10")), ms_text(band.at("p90")));
    table.rows.push_back({row.name, ms_text(at("mean")), ms_text(at("median")), ms_text(at("p90")),
                          ms_text(at("p95")), ms_text(at("p99")), interval});
    // A whole request takes a hundred times a token: it has no place on their axis.
    if (row.key == std::string_view("e2el")) continue;
    chart.categories.emplace_back(row.name);
    const char* which[] = {"mean", "p90", "p99"};
    for (std::size_t s = 0; s < 3; ++s)
      chart.series[s].values.push_back(
          {at(which[s]).get<double>(), fmt::format("{} {}", which[s], ms_text(at(which[s])))});
  }
  return {.title = "Latency",
          .sentence = fmt::format("Of {} requests, as a client measures it.",
                                  count_text(serving.at("completed"))),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure first_token(const Json& serving) {
  Bars chart{.unit = "ms of the mean TTFT", .categories = {"TTFT"}, .series = {}, .stacked = true};
  Table table{{"part", "time", "of the TTFT"}, {}};
  const double all = serving.at("mean_ttft_ms");
  std::string largest;
  double most = 0;
  for (const auto& [key, ms] : serving.at("ttft_parts_ms").items()) {
    std::string name = key;
    std::ranges::replace(name, '_', ' ');
    const double part = ms;
    table.rows.push_back({name, ms_text(ms), percent_text(all > 0 ? part / all : 0)});
    if (part > most) {
      most = part;
      largest = name;
    }
    if (part > 0) chart.series.push_back({name, {{part, ms_text(ms)}}});
  }
  return {.title = "Until the first token",
          .sentence = fmt::format("What the mean of {} is made of; the most is {}.",
                                  ms_text(serving.at("mean_ttft_ms")), largest),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure iterations(const Json& serving) {
  Table table{{"what", "mean", "most"}, {}};
  const auto row = [&](const char* name, const Json& of, int digits) {
    table.rows.push_back(
        {name, fmt::format("{:.{}f}", of.at("mean").get<double>(), digits),
         of.contains("max") ? fmt::format("{:.{}f}", of.at("max").get<double>(), digits) : "-"});
  };
  row("requests that run", serving.at("running"), 1);
  row("requests that wait", serving.at("waiting"), 1);
  row("cache in use, share", serving.at("kv_usage"), 3);
  row("tokens of an iteration", serving.at("tokens_per_iteration"), 1);
  row("time of an iteration, ms", serving.at("iteration_ms"), 3);
  table.rows.push_back(
      {"requests put back (preemptions)", count_text(serving.at("preemptions")), "-"});
  return {.title = "Iterations",
          .sentence = fmt::format("{} iterations; {} of the time one runs.",
                                  count_text(serving.at("iterations")),
                                  percent_text(serving.at("busy_share"))),
          .table = std::move(table)};
}

Figure factors(const Json& serving) {
  double sum = 0;
  for (const auto& [name, us] : serving.at("factors_us").items()) sum += us.get<double>();
  Bars chart{.unit = "% of the time in iterations",
             .categories = {"iterations"},
             .series = {},
             .stacked = true};
  Table table{{"cost model", "of the time"}, {}};
  for (const auto& [key, us] : serving.at("factors_us").items()) {
    std::string name = key;
    std::ranges::replace(name, '_', ' ');
    const double share = sum > 0 ? us.get<double>() / sum : 0;
    table.rows.push_back({name, percent_text(share)});
    if (share > 0) chart.series.push_back({name, {{100 * share, percent_text(share)}}});
  }
  return {.title = "What iterations wait for",
          .sentence = "The path from the start of each iteration to its end, by cost model.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

// What makes slow gaps between tokens slow.
Figure tail(const Json& of) {
  Bars chart{.unit = "% of the tail", .categories = {"p99 - p50"}, .series = {}, .stacked = true};
  Table table{{"by", "of the tail"}, {}};
  for (const auto& [key, name] :
       {std::pair{"composition", "what else is in a pass"},
        std::pair{"queues", "waiting for passes of others"}, std::pair{"routing", "routing"}}) {
    const double share = of.at(key);
    table.rows.push_back({name, percent_text(share)});
    if (share > 0) chart.series.push_back({name, {{100 * share, percent_text(share)}}});
  }
  return {.title = "Slow gaps between tokens",
          .sentence =
              fmt::format("The gap at p99 is {:.2f} times the median, {} longer.",
                          of.at("p99_over_p50").get<double>(), ms_text(of.at("p99_minus_p50_ms"))),
          .chart = std::move(chart),
          .table = std::move(table)};
}

// A line that goes up or down at each change.
Figure replicas(const Json& pool, double until_s) {
  Lines chart{.x = {.name = "time, s"},
              .y = {.name = "replicas", .whole = true},
              .series = {{"in use", {}}, {"take requests", {}}}};
  Table table{{"time", "in use", "take requests", "wanted"}, {}};
  const auto add = [&](double at, const Json& change) {
    const std::string when = fmt::format("{:.1f} s", at);
    const char* keys[] = {"in_use", "open"};
    for (std::size_t s = 0; s < 2; ++s) {
      auto& line = chart.series[s].points;
      const double now = change.at(keys[s]);
      if (!line.empty() && line.back().y != now) line.push_back({at, line.back().y, when});
      line.push_back({at, now, fmt::format("{}: {:.0f} {}", when, now, chart.series[s].name)});
    }
  };
  const Json& changes = pool.at("changes");
  for (const Json& change : changes) {
    if (table.rows.size() == kMostTableRows) break;
    add(change.at("time_s"), change);
    table.rows.push_back({fmt::format("{:.1f} s", change.at("time_s").get<double>()),
                          count_text(change.at("in_use")), count_text(change.at("open")),
                          count_text(change.at("wanted"))});
  }
  const bool all = table.rows.size() == changes.size();
  if (all && until_s > changes.back().at("time_s").get<double>()) add(until_s, changes.back());
  return {.title = fmt::format("{} in use", pool.at("pool").get<std::string>()),
          .sentence = fmt::format(
              "{:.2f} on average and {} at most of {} to {}; {:.3g} GPU-hours, where all {} all "
              "the time take {:.3g}.",
              pool.at("mean_in_use").get<double>(), count_text(pool.at("max_in_use")),
              count_text(pool.at("min")), count_text(pool.at("max")),
              pool.at("gpu_hours").get<double>(), count_text(pool.at("max")),
              pool.at("gpu_hours_of_max").get<double>()),
          .chart = std::move(chart),
          .table = std::move(table),
          .note = all ? ""
                      : fmt::format("The first {} of {} changes.", kMostTableRows, changes.size())};
}

}  // namespace

Section requests_section(const Json& serving) {
  return {.title = "Requests", .figures = {latencies(serving), first_token(serving)}};
}

Section engine_section(const Json& serving) {
  Section section{.title = "Engine", .figures = {}};
  if (const auto scaled = serving.find("autoscale"); scaled != serving.end()) {
    for (const Json& pool : *scaled)
      section.figures.push_back(replicas(pool, serving.at("duration_s").get<double>()));
  }
  section.figures.push_back(iterations(serving));
  section.figures.push_back(factors(serving));
  if (const auto found = serving.find("itl_tail"); found != serving.end())
    section.figures.push_back(tail(*found));
  return section;
}

}  // namespace moesim::tools
