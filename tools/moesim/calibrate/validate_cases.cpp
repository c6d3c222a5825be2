#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/shipped.h"
#include "validation/compare/cases.h"
#include "validation/statistics.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;
using sim::io::Json;
using validation::CaseResult;

// The cases that ship, in the order of their names.
std::vector<std::string> shipped_cases() {
  std::vector<fs::path> folders{"validation/cases"};
  if (const auto configs = config_folder())
    folders.push_back(configs->parent_path() / "validation" / "cases");
  for (const fs::path& folder : folders) {
    std::vector<std::string> files;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
    std::ranges::sort(files);
    if (!files.empty()) return files;
  }
  throw sim::ConfigError("validate cases: no folder validation/cases is here; name the files");
}

// Of the questions that cases are options of.
std::pair<validation::Chosen, validation::RankedPairs> chosen_of(
    const std::vector<CaseResult>& results) {
  constexpr double kPairsDiffer = 1.1;
  const auto questions = questions_of(results);
  return {choices_of(questions).all(), pairs_of(questions, kPairsDiffer)};
}

double percent(double value) {
  return std::round(value * 100) / 100;
}

// What a metric is of: cases of a kind stand together in the summary.
std::string kind_of(const CaseResult& r) {
  if (r.training && !r.metric.starts_with("memory")) return "training";
  if (r.metric.starts_with("throughput")) return "throughput";
  if (r.metric.find("dispatch") != std::string::npos ||
      r.metric.find("combine") != std::string::npos) {
    return "exchange";
  }
  return "memory and counts";
}

struct KindSummary {
  std::string kind;
  std::size_t n = 0, ok = 0;
  double median = 0, bias = 0;  // percent: of the absolute errors, of the errors
};

std::vector<KindSummary> by_kind(const std::vector<CaseResult>& results) {
  std::map<std::string, std::vector<const CaseResult*>> kinds;
  for (const CaseResult& r : results) kinds[kind_of(r)].push_back(&r);
  std::vector<KindSummary> summary;
  for (const auto& [kind, members] : kinds) {
    KindSummary line{.kind = kind, .n = members.size()};
    std::vector<double> absolute, relative;
    for (const CaseResult* r : members) {
      line.ok += r->ok ? 1 : 0;
      absolute.push_back(std::abs(r->error_percent));
      relative.push_back(r->error_percent);
    }
    line.median = validation::quantile(absolute, 0.5);
    line.bias = validation::quantile(relative, 0.5);
    summary.push_back(line);
  }
  return summary;
}

Json to_json(const std::vector<CaseResult>& results) {
  Json json = {{"cases", Json::array()}};
  std::vector<double> absolute, relative;
  for (const CaseResult& r : results) {
    json["cases"].push_back({{"case", r.name},
                             {"metric", r.metric},
                             {"measured", r.measured},
                             {"predicted", r.predicted},
                             {"error_percent", percent(r.error_percent)},
                             {"within_percent", r.within_percent},
                             {"ok", r.ok}});
    if (!r.known_miss.empty()) json["cases"].back()["known_miss"] = r.known_miss;
    absolute.push_back(std::abs(r.error_percent));
    relative.push_back(r.error_percent);
  }
  json["n"] = results.size();
  json["ok"] = std::ranges::count_if(results, &CaseResult::ok);
  if (!results.empty()) {
    json["median_error_percent"] = percent(validation::quantile(absolute, 0.5));
    json["bias_percent"] = percent(validation::quantile(relative, 0.5));
  }
  json["by_kind"] = Json::array();
  for (const KindSummary& line : by_kind(results)) {
    json["by_kind"].push_back({{"kind", line.kind},
                               {"n", line.n},
                               {"ok", line.ok},
                               {"median_error_percent", percent(line.median)},
                               {"bias_percent", percent(line.bias)}});
  }
  const auto [chosen, pairs] = chosen_of(results);
  json["choices"] = {{"questions", chosen.questions},
                     {"right", chosen.right},
                     {"pairs", pairs.pairs},
                     {"pairs_right", pairs.right}};
  return json;
}

void print(std::ostream& out, const std::vector<CaseResult>& results) {
  out << fmt::format("{:34} {:38} {:>10} {:>10} {:>8} {:>8}\n", "case", "metric", "measured",
                     "predicted", "error", "within");
  for (const CaseResult& r : results) {
    out << fmt::format("{:34} {:38} {:10.5g} {:10.5g} {:+7.1f}% {:7.3g}%  {}\n", r.name, r.metric,
                       r.measured, r.predicted, r.error_percent, r.within_percent,
                       validation::verdict(r));
    if (!r.known_miss.empty()) out << "    " << r.known_miss << '\n';
  }
  out << fmt::format("\n{:20} {:>8} {:>8} {:>14} {:>8}\n", "kind", "figures", "within",
                     "median |error|", "bias");
  for (const KindSummary& line : by_kind(results)) {
    out << fmt::format("{:20} {:8} {:8} {:13.1f}% {:+7.1f}%\n", line.kind, line.n, line.ok,
                       line.median, line.bias);
  }
  const auto [chosen, pairs] = chosen_of(results);
  out << fmt::format(
      "\nof {} questions that several options were measured for, ours is the best, or within 5 % "
      "of "
      "it, in {} (of five or more: the best is among our first three); of {} pairs of them that "
      "differ by more than 10 %, {} are in order\n",
      chosen.questions, chosen.right, pairs.pairs, pairs.right);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  std::vector<std::string> files = arguments.all("FILE");
  if (files.empty()) files = shipped_cases();
  std::vector<CaseResult> results;
  for (const std::string& file : files) {
    console.err << file << '\n';
    for (CaseResult& r : validation::run_case(file, nullptr, shipped()))
      results.push_back(std::move(r));
  }
  if (arguments.json())
    console.out << sim::io::to_text(to_json(results));
  else
    print(console.out, results);
  const bool all = std::ranges::all_of(results, &CaseResult::as_stated);
  return all ? sim::ExitCode::Ok : sim::ExitCode::Failed;
}

}  // namespace

Command validate_cases_command() {
  return {
      .name = "validate cases",
      .summary = "runs published cases and compares with what their authors measured",
      .description =
          "Runs each case's scenario and looks its metrics up in the report. Prints measured, "
          "predicted, the error and whether it is within the case's tolerance. A figure that its "
          "case lists as a known miss is printed with the reason; exits with 1 where another is "
          "missed, or one of those is met. A summary by kind follows. Without a file: the cases "
          "that ship, validation/cases/*.yaml.",
      .options =
          {{.name = "FILE", .value = "", .help = "case files", .repeated = true, .is_file = true},
           format_option()},
      .examples = {"moesim validate cases",
                   "moesim validate cases --format json validation/cases/mine.yaml"},
      .run = run};
}

}  // namespace moesim::tools
