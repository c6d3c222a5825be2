// The most requests a second that a service carries within its targets.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "tools/report/pages/serving_sections.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string rate_text(double a_second) {
  return fmt::format("{:.4g} requests/s", a_second);
}

std::string answer_of(const Json& capacity) {
  const Json& rate = capacity.at("rate_per_s");
  if (!rate.at("p50").is_number()) {  // it was broken off
    const double attained = capacity.at("attained_at"), missed = capacity.at("missed_at");
    std::string text = attained > 0 ? fmt::format("It carries at least {}", rate_text(attained))
                                    : std::string("What it carries is not known yet");
    if (missed > 0) text += fmt::format(", less than {}", rate_text(missed));
    return text + fmt::format(", within {}.", capacity.at("target").get<std::string>());
  }
  const double most = rate.at("p50"), gpus = capacity.at("gpus");
  std::string text = fmt::format(
      "It carries {} ({:.4g} to {:.4g} in 80 of 100 cases) within {}: {:.4g} for each of its {} "
      "GPUs.",
      rate_text(most), rate.at("p10").get<double>(), rate.at("p90").get<double>(),
      capacity.at("target").get<std::string>(), most / gpus, count_text(gpus));
  if (capacity.at("capped").at("p50").get<bool>())
    text +=
        " That is the estimate of its saturation, beyond which no rate is asked: it may be more.";
  return text;
}

Figure rates(const Json& capacity) {
  const Json& rate = capacity.at("rate_per_s");
  Bars chart{.unit = "requests/s", .categories = {}, .series = {{"requests a second", {}}}};
  Table table{{"rate", "requests/s"}, {}};
  const auto add = [&](const char* name, double value) {
    chart.categories.emplace_back(name);
    chart.series[0].values.push_back({value, rate_text(value)});
    table.rows.push_back({name, fmt::format("{:.4g}", value)});
  };
  add("within the targets, low", rate.at("p10"));
  add("within the targets", rate.at("p50"));
  add("within the targets, high", rate.at("p90"));
  add("saturation, about", capacity.at("saturation"));
  return {
      .title = "What it carries",
      .sentence = fmt::format("Saturation by {}.", capacity.at("saturation_by").get<std::string>()),
      .chart = std::move(chart),
      .table = std::move(table),
      .note = fmt::format("Found in {} runs at other rates.", count_text(capacity.at("runs")))};
}

}  // namespace

Page capacity_page(const Json& report) {
  const Json& capacity = report.at("capacity");
  Page page{.kind = "capacity",
            .title = report.at("scenario").at("name"),
            .what = capacity.at("what"),
            .answer = answer_of(capacity)};
  if (capacity.at("partial").get<bool>()) {
    page.warnings.push_back("It was broken off: what follows is of what was done.");
    return page;
  }
  page.sections.push_back({.title = "Capacity", .figures = {rates(capacity)}});
  const Json& serving = report.at("serving");
  page.sections.push_back(requests_section(serving));
  page.sections.back().text.push_back("At the rate that it carries.");
  page.sections.push_back(engine_section(serving));
  return page;
}

}  // namespace moesim::tools
