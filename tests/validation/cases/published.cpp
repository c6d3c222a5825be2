#include "tests/validation/cases/published.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "validation/compare/cases.h"

namespace moesim::tests {
namespace {

namespace fs = std::filesystem;
using sim::io::Json;

std::vector<fs::path> files_of(const CaseGroup& group) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator("validation/cases")) {
    const std::string name = entry.path().filename().string();
    if (std::ranges::any_of(group.prefixes,
                            [&](std::string_view prefix) { return name.starts_with(prefix); }))
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// Of a step: its mean and what the host adds to it, which validation/README.md sets apart. Empty
// where the case is of something else.
std::string step_columns(const Json& report) {
  if (!report.contains("step_time_us")) return ",";
  const double step = report.at("step_time_us").at("mean").get<double>();
  const Json& phases = report.at("phases_us");
  const double host = phases.contains("host") ? phases.at("host").at("exposed").get<double>() : 0.0;
  return fmt::format("{:.5g},{:.5g}", step, host);
}

}  // namespace

std::span<const CaseGroup> case_groups() {
  static const std::vector<CaseGroup> groups{
      {"exchanges", {"exchange-"}},
      {"memory", {"mem-", "train-"}},
      {"training", {"training-"}},
      {"decode", {"lmsys-h100-decode-", "lmsys-h200-decode-", "ant-h20-decode-"}},
      {"prefill_4k", {"lmsys-h100-prefill-4k"}},
      {"steps", {"deepseek-", "lmsys-h100-prefill-2k", "ant-h20-prefill-", "trtllm-"}},
  };
  return groups;
}

void check_cases(std::string_view name) {
  const auto group = std::ranges::find(case_groups(), name, &CaseGroup::name);
  REQUIRE(group != case_groups().end());
  std::string table =
      "case,metric,measured,predicted,error_percent,within_percent,verdict,step_us,host_us\n";
  for (const fs::path& file : files_of(*group)) {
    Json report;
    for (const validation::CaseResult& r : validation::run_case(file, &report)) {
      const std::string_view verdict = validation::verdict(r);
      INFO(file.string(), ": ", r.metric, ": measured ", r.measured, ", predicted ", r.predicted,
           ", within ", r.within_percent, " %: ", std::string(verdict));
      CHECK(r.as_stated());
      table += fmt::format("{},{},{},{:.5g},{:.2f},{},\"{}\",{}\n", file.stem().string(), r.metric,
                           r.measured, r.predicted, r.error_percent, r.within_percent, verdict,
                           step_columns(report));
    }
  }
  const fs::path golden = fmt::format("tests/golden/cases/{}.csv", name);
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(golden, table);
  CHECK(table == sim::io::read_text(golden));
}

}  // namespace moesim::tests
