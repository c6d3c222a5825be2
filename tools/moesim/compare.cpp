// moesim compare: where the difference of two runs lies, and why.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "sim/error.h"
#include "sim/io/file_kind.h"
#include "tools/moesim/command.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/trace_cache.h"
#include "tools/report/compare_text.h"
#include "tools/report/page_kinds.h"
#include "tools/study/compare.h"
#include "tools/study/point_id.h"
#include "tools/study/store.h"
#include "tools/study/store_file.h"
#include "tools/study/study_inputs.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

struct Side {
  std::string name;
  sim::io::Json report;
  std::optional<workloads::Scenario> scenario = {};
  bool is_played = false;  // here, as --set changes it
};

// What a point of a study was played from: the study's scenario with what the point sets. Throws
// ConfigError where that is no longer what the point says.
workloads::Scenario scenario_of(const std::string& text, const Store& store, const Point& point,
                                const sim::io::Json& report, StudyInputs& inputs) {
  const sim::io::Json spec = sim::io::parse_json(store.spec(), text + ": its study");
  const std::string base = spec.at("base");
  std::vector<std::string> sets = spec.at("set").get<std::vector<std::string>>();
  for (const auto& [key, value] : point.params) sets.push_back(key + "=" + value);
  fs::path file;  // where it was when it was played, else what is called so
  for (const sim::io::Json& input : report.at("manifest").at("inputs")) {
    const fs::path path = input.at("path").get<std::string>();
    if (path.filename() == base && sim::io::is_file(path)) file = path;
  }
  if (file.empty()) file = find_config("scenarios", fs::path(base).stem().string());
  workloads::Scenario scenario = inputs.load(file, sets);
  if (point_id(scenario, MOESIM_VERSION) != point.id) {
    throw sim::ConfigError(fmt::format(
        "--why: {}: {} with what the point sets is another run now: its files have changed, or it "
        "was played by another version (this is {}, that was {}); sweep it anew",
        text, file.string(), MOESIM_VERSION, store.version()));
  }
  return scenario;
}

// "sweep.db:3f2a41c0": the report of a point, by its id or the first digits of it; `why`: with the
// scenario.
Side stored_side(const std::string& text, std::size_t colon, bool why, StudyInputs& inputs) {
  const std::string file = text.substr(0, colon), id = text.substr(colon + 1);
  const Store store = Store::open(file);
  std::vector<Point> found;
  store.each([&](Point point) {
    const bool again = std::ranges::any_of(found, [&](const Point& p) { return p.id == point.id; });
    if (point.id.starts_with(id) && !again) found.push_back(std::move(point));
  });
  if (id.empty() || found.empty())
    throw sim::ConfigError(
        fmt::format("{}: no point of {} has such an id (moesim sweep show {})", text, file, file));
  if (found.size() > 1)
    throw sim::ConfigError(
        fmt::format("{}: {} points have ids that begin so: give more of it", text, found.size()));
  const std::string report = store.report(found.front().ord);
  if (report.empty())
    throw sim::ConfigError(
        fmt::format("{}: the point has no report: {}", text, found.front().reason));
  Side side{text, sim::io::parse_json(report, text)};
  if (why) side.scenario = scenario_of(text, store, found.front(), side.report, inputs);
  return side;
}

Side played_side(const std::string& text, const std::vector<std::string>& sets,
                 StudyInputs& inputs) {
  Side side{text, {}, inputs.load(find_config("scenarios", text), sets)};
  for (const std::string& set : sets) side.name += " " + set;
  workloads::RunResult result = workloads::run(*side.scenario);
  result.report.title = side.scenario->name;
  side.report = workloads::to_json(result, *side.scenario);
  side.is_played = true;
  return side;
}

Side side_of(const std::string& text, const std::vector<std::string>& sets, bool why,
             StudyInputs& inputs) {
  std::error_code error;
  const std::size_t colon = text.rfind(':');
  if (!fs::exists(text, error) && colon != std::string::npos &&
      fs::is_regular_file(text.substr(0, colon), error))
    return stored_side(text, colon, why, inputs);
  if (text.ends_with(".json") && text.find("config.json") == std::string::npos)
    return {text, sim::io::read_json(text)};
  if (is_database(text)) {
    throw sim::ConfigError(fmt::format(
        "{0}: is a sweep's store, of many runs: say one of them, as {0}:ID (moesim sweep "
        "show {0} lists their ids)",
        text));
  }
  if (text == "-") throw sim::ConfigError("compare: standard input is no file: say one");
  return played_side(text, sets, inputs);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  std::vector<std::string> inputs = arguments.all("INPUT");
  const std::vector<std::string> sets = arguments.all("set");
  if (inputs.size() == 1 && sets.empty()) {
    throw sim::ConfigError(fmt::format(
        "compare: {} with what? Say another, or --set KEY=VALUE, which makes another of it",
        inputs.front()));
  }
  if (inputs.size() == 1) inputs.push_back(inputs.front());
  StudyInputs shared(shipped(), trace_cache(std::getenv));
  std::vector<Side> sides;
  for (const std::string& input : inputs) {
    sides.push_back(side_of(input, sides.empty() ? std::vector<std::string>{} : sets,
                            arguments.has("why"), shared));
  }
  const auto played = [](const Side& side) { return side.is_played; };
  if (!sets.empty() && std::none_of(sides.begin() + 1, sides.end(), played)) {
    throw sim::ConfigError("--set: changes scenarios, and all but the first are reports");
  }
  sim::io::Json json, all = sim::io::Json::array();
  std::string text;
  for (std::size_t i = 1; i < sides.size(); ++i) {
    const Side &a = sides.front(), &b = sides[i];
    Comparison comparison = compare_reports(a.report, a.name, b.report, b.name);
    if (arguments.has("why")) {
      const Side* report = !a.scenario ? &a : !b.scenario ? &b : nullptr;
      if (report != nullptr) {
        throw sim::ConfigError(fmt::format(
            "--why: plays mixtures of two scenarios, and {} is a report", report->name));
      }
      explain(*a.scenario, *b.scenario, comparison);
    }
    all.push_back(to_json(comparison, a.name, b.name));
    text +=
        (text.empty() ? "" : "\n") + compare_text(comparison, a.name, b.name, a.report, b.report);
  }
  json["compare"] = all.front();
  if (all.size() > 1) json["comparisons"] = all;
  if (const auto html = arguments.find("html")) write_page(*html, compare_page(json), json);
  write_result(arguments, arguments.json() ? sim::io::to_text(json) : text, console);
  return sim::ExitCode::Ok;
}

}  // namespace

Command compare_command() {
  return {
      .name = "compare",
      .summary = "where the difference of two runs lies, and with --why which change made it",
      .description =
          "INPUT is a scenario, which is run, a report (.json of moesim run --format json) or a "
          "point of a study (sweep.db:ID). Each is compared with the first. Both views sum to the "
          "difference exactly. --why plays mixtures of the two scenarios on the bound network: "
          "what "
          "a changed part adds, in the mean over all orders of changing them (Shapley's value).",
      .options = {{.name = "INPUT",
                   .help =
                       "a scenario, a report, or STORE:ID; one alone is compared with itself as "
                       "--set changes it",
                   .required = true,
                   .repeated = true,
                   .is_file = true},
                  {.name = "--set",
                   .value = "KEY=VALUE",
                   .help = "replace a value of every scenario but the first",
                   .repeated = true},
                  {.name = "--why", .help = "share the difference out among what was changed"},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "write the result there instead of to standard output",
                   .is_file = true,
                   .is_output = true},
                  html_option(),
                  format_option()},
      .examples = {"moesim compare mixtral-8x7b-decode-h100 --set cluster=h200:1x8 --why",
                   "moesim compare a.json b.json --html difference.html",
                   "moesim compare sweep.db:3f2a41c0 sweep.db:9be01d77 --format json"},
      .run = run};
}

}  // namespace moesim::tools
