// moesim sweep sensitivity: which of several factors make a result, and how much.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <ostream>

#include "sim/error.h"
#include "sim/workers.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/sweep/store_sensitivity.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/moesim/trace_cache.h"
#include "tools/study/default_factors.h"
#include "tools/study/doubt.h"
#include "tools/study/factor.h"
#include "tools/study/model_factor.h"
#include "tools/study/sensitivity.h"
#include "tools/study/store_file.h"
#include "tools/study/study_inputs.h"
#include "tools/study/study_spec.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

constexpr std::int64_t kPaths = 10, kRows = 256;

// What a run has otherwise than the scenario.
using Sets = std::vector<std::string>;

// Plays runs, each that differs once, and remembers their results. A cost model that is off takes
// no run.
class Runs {
 public:
  Runs(const Arguments& arguments, const Console& console)
      : file_(find_config("scenarios", arguments.text("SCENARIO"))),
        sets_(arguments.all("set")),
        measure_(arguments.text("measure")),
        jobs_(static_cast<std::size_t>(arguments.integer("jobs", 1, 1024))),
        interrupted_(console.interrupted),
        inputs_(shipped(), trace_cache(std::getenv)) {}

  std::vector<double> results_of(const std::vector<Sets>& asked) {
    std::vector<Sets> scenarios, models;
    for (const Sets& sets : asked) {
      Sets& scenario = scenarios.emplace_back();
      Sets& model = models.emplace_back();
      for (const std::string& set : sets) (is_model_factor(set) ? model : scenario).push_back(set);
    }
    std::vector<const Sets*> left;
    for (const Sets& sets : scenarios)
      if (results_.try_emplace(sets).second) left.push_back(&sets);
    sim::in_order(
        jobs_, left.size(), [&](std::size_t, std::size_t i) { return play(*left[i]); },
        [&](std::size_t i, const Result& result) { results_[*left[i]] = result; });
    std::vector<double> results;
    for (std::size_t i = 0; i < asked.size(); ++i)
      results.push_back(moved(results_.at(scenarios[i]), models[i]));
    return results;
  }

  const std::string& measure() const { return measure_; }
  std::string name() const { return file_.stem().string(); }
  workloads::Scenario base() { return inputs_.load(file_, sets_); }
  std::size_t count() const { return results_.size(); }

 private:
  struct Result {
    double value = 0;
    std::optional<Doubt> doubt = {};
  };

  double moved(const Result& result, const Sets& models) const {
    if (models.empty()) return result.value;
    if (!result.doubt)
      throw sim::ConfigError(
          fmt::format("--over {}: the report does not say what its cost models are off by; that of "
                      "a single step does",
                      models.front().substr(0, models.front().find('='))));
    const double scale = result.doubt->scale(draw_of(models));
    return moves_of(measure_) == Moves::WithTime ? result.value * scale : result.value / scale;
  }

  Result play(const Sets& sets) {
    if (interrupted_())
      throw sim::Error(sim::ExitCode::Interrupted, "moesim sweep sensitivity: interrupted");
    Sets all = sets_;
    all.insert(all.end(), sets.begin(), sets.end());
    const auto where = [&] {
      return sets.empty() ? std::string("the scenario") : fmt::format("{}", fmt::join(sets, ", "));
    };
    try {
      const workloads::Scenario scenario = inputs_.load(file_, all);
      const Json report = workloads::to_json(workloads::run(scenario), scenario);
      const auto value = find_value(report, measure_);
      const auto number = value ? number_of(*value) : std::nullopt;
      if (number) return {.value = *number, .doubt = Doubt::of(report)};
    } catch (const sim::ConfigError& error) {
      throw sim::ConfigError(
          fmt::format("{}\n  at {}: every point must be a scenario: narrow the factors",
                      error.what(), where()));
    }
    throw sim::ConfigError(
        fmt::format("--measure: the report at {} has no number \"{}\"", where(), measure_));
  }

  std::filesystem::path file_;
  Sets sets_;
  std::string measure_;
  std::size_t jobs_;
  std::function<bool()> interrupted_;
  StudyInputs inputs_;
  std::map<Sets, Result> results_;
};

std::vector<Sets> sets_of(const std::vector<Factor>& factors,
                          const std::vector<UnitPoint>& points) {
  std::vector<Sets> all;
  for (const UnitPoint& point : points) {
    Sets sets;
    for (std::size_t f = 0; f < factors.size(); ++f)
      sets.push_back(factors[f].key + "=" + value_at(factors[f], point[f]));
    all.push_back(std::move(sets));
  }
  return all;
}

// What is printed of each factor: its cells, and its JSON.
struct Row {
  double size = 0;  // of what it matters: the largest first
  std::string text = {};
  Json json = {};
};

struct Sensitivity {
  std::string head;  // "morris, 40 runs, seed 1"
  std::string columns;
  std::vector<Row> rows = {};
  Json json = {};
};

std::string ends_of(const Factor& f) {
  if (is_model_factor(f.key) && !f.unit.empty()) return "p10 .. p90";
  if (f.values.size() > 2) return fmt::format("{}, .. {}", f.values.front(), f.values.back());
  return fmt::format("{} .. {}", value_at(f, 0), value_at(f, 1));
}

std::size_t width_of(const std::vector<Factor>& factors) {
  std::size_t width = 6;
  for (const Factor& f : factors) width = std::max(width, f.key.size() + ends_of(f).size() + 2);
  return width;
}

std::string name_of(const Factor& f, std::size_t width) {
  return fmt::format("  {:<{}}", f.key + "  " + ends_of(f), width);
}

// One factor at a time, the others as the scenario has them.
Sensitivity tornado(const std::vector<Factor>& factors, Runs& runs) {
  std::vector<Sets> asked{{}};
  for (const Factor& f : factors) {
    for (const double end : {0.0, 1.0}) asked.push_back({f.key + "=" + value_at(f, end)});
  }
  const std::vector<double> results = runs.results_of(asked);
  const double base = results.front();
  const std::size_t width = width_of(factors);
  Sensitivity s{.head = fmt::format("tornado about {:.6g}", base),
                .columns = fmt::format("  {:<{}} {:>12} {:>12} {:>9} {:>9}", "factor", width,
                                       "at the first", "at the last", "change", "change")};
  s.json = {{"base", base}};
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const double low = results[1 + 2 * f], high = results[2 + 2 * f];
    const auto change = [&](double result) {
      return base == 0 ? std::string("-") : fmt::format("{:+.1f} %", 100 * (result / base - 1));
    };
    s.rows.push_back(
        {.size = std::abs(high - low),
         .text = fmt::format("{} {:>12.6g} {:>12.6g} {:>9} {:>9}", name_of(factors[f], width), low,
                             high, change(low), change(high)),
         .json = {{"at_first", low}, {"at_last", high}, {"swing", std::abs(high - low)}}});
  }
  return s;
}

Sensitivity morris(const std::vector<Factor>& factors, Runs& runs, std::size_t paths,
                   std::uint64_t seed) {
  const auto points = morris_points(factors.size(), paths, seed);
  const auto effects = morris_effects(points, runs.results_of(sets_of(factors, points)));
  const std::size_t width = width_of(factors);
  Sensitivity s{
      .head = fmt::format("Morris, {} path{}, seed {}", paths, paths == 1 ? "" : "s", seed),
      .columns = fmt::format("  {:<{}} {:>12} {:>12} {:>12}", "factor", width, "mean effect",
                             "mean size", "deviation")};
  s.json = {{"paths", paths}, {"seed", seed}};
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const MorrisEffect& e = effects[f];
    s.rows.push_back(
        {.size = e.mean_size,
         .text = fmt::format("{} {:>12.6g} {:>12.6g} {:>12.6g}", name_of(factors[f], width), e.mean,
                             e.mean_size, e.deviation),
         .json = {{"mean", e.mean}, {"mean_size", e.mean_size}, {"deviation", e.deviation}}});
  }
  return s;
}

Json part_json(const SobolPart& p) {
  return {{"value", p.value}, {"p10", p.p10}, {"p90", p.p90}};
}

std::string part_text(const SobolPart& p) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", p.value, p.p10, p.p90);
}

Sensitivity sobol(const std::vector<Factor>& factors, Runs& runs, std::size_t rows,
                  std::uint64_t seed) {
  const auto points = sobol_points(factors.size(), rows, seed);
  const auto result = sobol_parts(factors.size(), runs.results_of(sets_of(factors, points)), seed);
  const std::size_t width = width_of(factors);
  Sensitivity s{.head = fmt::format("Sobol, {} rows, seed {}; mean {:.6g}, deviation {:.6g}", rows,
                                    seed, result.mean, std::sqrt(result.variance)),
                .columns = fmt::format("  {:<{}} {:>24} {:>24}", "factor", width, "alone (80 %)",
                                       "with all others (80 %)")};
  s.json = {{"rows", rows}, {"seed", seed}, {"mean", result.mean}, {"variance", result.variance}};
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const SobolParts& p = result.parts[f];
    s.rows.push_back({.size = p.total.value,
                      .text = fmt::format("{} {:>24} {:>24}", name_of(factors[f], width),
                                          part_text(p.first), part_text(p.total)),
                      .json = {{"first", part_json(p.first)}, {"total", part_json(p.total)}}});
  }
  return s;
}

std::vector<Factor> factors_of(const Arguments& arguments, Runs& runs) {
  std::vector<Factor> factors;
  if (!arguments.has("over")) {
    factors = default_factors(runs.base(), runs.measure());
    if (!factors.empty()) return factors;
    throw sim::ConfigError(
        "sweep sensitivity: say what varies: --over KEY=RANGE of a scenario; this one has no "
        "links, and no skew, to vary without");
  }
  for (const std::string& text : arguments.all("over")) {
    factors.push_back(read_factor(text, "--over"));
    const auto same = std::ranges::count(factors, factors.back().key, &Factor::key);
    if (same > 1)
      throw sim::ConfigError(fmt::format("--over: {} is given twice", factors.back().key));
    const std::string measure = arguments.text("measure");
    if (is_model_factor(factors.back().key) && moves_of(measure) == Moves::Not)
      throw sim::ConfigError(
          fmt::format("--over {}: moves step times and tokens a second, not \"{}\"",
                      factors.back().key, measure));
  }
  return factors;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  if (const std::filesystem::path file = arguments.text("SCENARIO"); is_database(file))
    return store_sensitivity(file, arguments, console);
  Runs runs(arguments, console);
  const std::vector<Factor> factors = factors_of(arguments, runs);
  const std::string method = arguments.text("method");
  const auto seed = static_cast<std::uint64_t>(arguments.integer("seed", 0, 1'000'000'000));
  const auto samples = [&](std::int64_t fallback) {
    return static_cast<std::size_t>(
        arguments.has("samples") ? arguments.integer("samples", 1, 1'000'000) : fallback);
  };
  if (method == "sobol" && factors.size() > kMostSobolFactors) {
    throw sim::ConfigError(fmt::format(
        "--method sobol: takes {} factors at most, and there are {}: morris tells which "
        "of them matter",
        kMostSobolFactors, factors.size()));
  }
  Sensitivity found = method == "tornado"  ? tornado(factors, runs)
                      : method == "morris" ? morris(factors, runs, samples(kPaths), seed)
                                           : sobol(factors, runs, samples(kRows), seed);
  std::vector<std::size_t> order(factors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return found.rows[a].size > found.rows[b].size; });
  if (!arguments.json()) {
    console.out << fmt::format("{} of {}: {}; {} run{}\n{}\n", runs.measure(), runs.name(),
                               found.head, runs.count(), runs.count() == 1 ? "" : "s",
                               found.columns);
    for (const std::size_t f : order) console.out << found.rows[f].text << '\n';
    return sim::ExitCode::Ok;
  }
  Json json{{"schema_version", 1},
            {"measure", runs.measure()},
            {"method", method},
            {"runs", runs.count()}};
  json.update(found.json);
  json["factors"] = Json::array();
  for (const std::size_t f : order) {
    Json& row = json["factors"].emplace_back(std::move(found.rows[f].json));
    row["key"] = factors[f].key;
    row["first_value"] = value_at(factors[f], 0);
    row["last_value"] = value_at(factors[f], 1);
  }
  console.out << sim::io::to_text(json);
  return sim::ExitCode::Ok;
}

}  // namespace

Command sweep_sensitivity_command() {
  return {
      .name = "sweep sensitivity",
      .summary = "which of several factors make a result, and how much",
      .description =
          "tornado: each factor at both ends, the others as the scenario has them (2 k + 1 runs). "
          "morris: paths on which one factor after another moves (r (k + 1) runs): the mean size "
          "of "
          "an effect over the whole range is what a factor matters, its deviation how far that "
          "depends on the others. sobol: parts of the variance, of a factor alone and with all "
          "that "
          "it takes part in (n (k + 2) runs), with the 80 % of 200 draws of the rows. Points that "
          "are equal are run once. Of a sweep's store nothing is run: parts of the variance over "
          "its "
          "whole grid, exact. The most important factor is first.",
      .options = {{.name = "SCENARIO",
                   .help =
                       "a scenario: a YAML file, or the name of one that ships; or a sweep's store",
                   .required = true,
                   .is_file = true},
                  {.name = "--over",
                   .value = "KEY=RANGE",
                   .help =
                       "a factor: LOW..HIGH (whole where both are), LOW..HIGH~ (even in log), "
                       "or a,b,c; factor.gemm, experts, attention, all_to_all, collectives, "
                       "host or structure alone: what that cost model is off by. Where nothing is "
                       "named: every cost model of a step, links and NICs, a law's skew",
                   .repeated = true},
                  {.name = "--measure",
                   .value = "KEY",
                   .help = "the number of the report that is asked for",
                   .fallback = "step_time_us.mean"},
                  {.name = "--method",
                   .value = "METHOD",
                   .help = "tornado, morris or sobol",
                   .fallback = "tornado",
                   .choices = {"tornado", "morris", "sobol"}},
                  {.name = "--samples",
                   .value = "N",
                   .help = "paths of morris (10), rows of sobol (256; powers of two are evenest)"},
                  {.name = "--seed",
                   .value = "N",
                   .help = "of the points of morris and sobol",
                   .fallback = "1"},
                  {.name = "--set",
                   .value = "KEY=VALUE",
                   .help = "replace a value of the scenario in all runs",
                   .repeated = true},
                  {.name = "-j,--jobs",
                   .value = "N",
                   .help = "runs at the same time; the results are the same",
                   .fallback = "1"},
                  format_option()},
      .examples = {"moesim sweep sensitivity mixtral-8x7b-decode-h100 --over "
                   "step.batch_per_rank=8..64 --over step.context=1024..4096 --set network=bound",
                   "moesim sweep sensitivity SCENARIO --method sobol --samples 512 --over "
                   "'cluster.scale_out.bandwidth=100 Gbit/s..800 Gbit/s~' --over "
                   "placement.experts=linear,eplb -j 2 --format json",
                   "moesim sweep sensitivity mixtral-8x7b-decode-h100 --over factor.experts --over "
                   "factor.all_to_all --over step.batch_per_rank=16..64",
                   "moesim sweep sensitivity sweep.db --measure step_time_us.mean"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
