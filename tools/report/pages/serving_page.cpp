// What a service did for its requests.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "tools/report/pages/serving_sections.h"
#include "tools/report/pages/shared_sections.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string answer_of(const Json& serving) {
  std::string text = fmt::format(
      "{} requests were answered, {:.2f} a second: the first token after {} on average ({} at "
      "p99), "
      "then one every {}.",
      count_text(serving.at("completed")), serving.at("request_throughput").get<double>(),
      ms_text(serving.at("mean_ttft_ms")), ms_text(serving.at("p99_ttft_ms")),
      ms_text(serving.at("mean_tpot_ms")));
  if (serving.at("attained").is_number())
    text += fmt::format(" {} of them met all targets.", percent_text(serving.at("attained")));
  if (serving.contains("saturation")) {
    const Json& s = serving.at("saturation");
    text += fmt::format(" About {:.3g} requests a second is the most it carries, by {}.",
                        s.at("capacity").get<double>(), s.at("by").get<std::string>());
  }
  return text;
}

}  // namespace

Page serving_page(const Json& report) {
  const Json& serving = report.at("serving");
  Page page{.kind = "serving",
            .title = report.at("title"),
            .what = report.at("what"),
            .answer = answer_of(serving)};
  if (serving.at("partial").get<bool>())
    page.warnings.push_back("It was broken off: what follows is of what was done.");
  page.sections.push_back(requests_section(serving));
  page.sections.push_back(engine_section(serving));
  if (report.at("memory").at("capacity_bytes") != 0)
    page.sections.push_back({.title = "Memory", .figures = {memory_figure(report)}});
  if (auto energy = energy_section(report)) page.sections.push_back(std::move(*energy));
  page.sections.push_back(trust_section(report));
  page.sections.push_back(made_from_section(report));
  return page;
}

}  // namespace moesim::tools
