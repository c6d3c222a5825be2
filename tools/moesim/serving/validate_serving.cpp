#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tools/moesim/serving/accuracy_report.h"
#include "tools/moesim/serving/bars_report.h"
#include "tools/moesim/serving/load_report.h"
#include "tools/moesim/serving/row_report.h"
#include "tools/moesim/serving/serving_commands.h"
#include "tools/moesim/shipped.h"
#include "validation/serving/drafted_rows.h"
#include "validation/serving/e2e_structure.h"
#include "validation/serving/e2e_trust.h"
#include "validation/serving/e2e_validation.h"
#include "validation/serving/measured_tables.h"
#include "validation/serving/pool_recipes.h"
#include "workloads/model/model_spec.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::E2eError;
using validation::E2ePrediction;

constexpr std::size_t kWorst = 10;

struct Result {
  validation::E2eRows rows = {};
  std::vector<E2ePrediction> predictions = {};
  validation::E2eSummary summary = {};
  std::vector<validation::SkippedRows> skipped = {};
  std::vector<const E2ePrediction*> worst = {};
};

// Of rows whose prompts engines of their own read.
constexpr std::array kAssumedApart{
    "attention dp is over all GPUs of a worker that has it",
    "of several recipes that fit the first in force is played",
    "rows that say their workers draft nothing, though some of their recipes may"};

std::string apart_text(const std::vector<validation::SkippedRows>& taken) {
  if (taken.empty()) return "";
  std::string text = "\n  prompts read apart: where the workers are from\n";
  for (const auto& one : taken) text += fmt::format("  {:>5}  {}\n", one.n, one.reason);
  for (const char* what : kAssumedApart) text += fmt::format("         assumed: {}\n", what);
  return text;
}

Json trust_json(const std::array<validation::TrustBin, 5>& bins) {
  Json json{{"largest_gap", rounded(validation::largest_gap(bins))}, {"bins", Json::array()}};
  for (const validation::TrustBin& bin : bins) {
    json["bins"].push_back({{"from", rounded(bin.from)},
                            {"n", bin.n},
                            {"said", rounded(bin.said)},
                            {"held", rounded(bin.held)},
                            {"counts", bin.counts()}});
  }
  return json;
}

std::string trust_text(const std::vector<E2ePrediction>& predictions) {
  const auto tpot = bins_of(statements_on_tpot(predictions));
  const auto pairs = bins_of(statements_on_pairs(predictions));
  std::string out = fmt::format(
      "\n  what is said with a probability, and how much of it holds; fewer than {} do not count\n"
      "  {:<14} {:>24}   {:>24}\n",
      validation::kLeastOfBin, "said", "TPOT <= x predictions", "the faster of a pair");
  const auto cell = [](const validation::TrustBin& bin) {
    return bin.n == 0 ? std::string("none")
                      : fmt::format("{:.2f} held {:.2f} of {:>4}", bin.said, bin.held, bin.n);
  };
  for (std::size_t i = 0; i < tpot.size(); ++i) {
    out += fmt::format("  {:.1f} to {:.1f}     {:>24}   {:>24}\n", tpot[i].from, tpot[i].from + 0.2,
                       cell(tpot[i]), cell(pairs[i]));
  }
  return out + fmt::format("  {:<14} {:>24.2f}   {:>24.2f}\n", "largest gap", largest_gap(tpot),
                           largest_gap(pairs));
}

Json structure_json(const validation::E2eStructure& s) {
  Json json{{"structure", rounded(s.all)},
            {"coverage80_by_other_models", rounded(coverage_of(s.by_model))},
            {"coverage80_by_other_engines", rounded(coverage_of(s.by_engine))}};
  for (const auto& [name, parts] : {std::pair("models", &s.by_model), {"engines", &s.by_engine}}) {
    for (const auto& [value, part] : *parts) {
      json[name][value] = {
          {"structure", rounded(part.structure)}, {"n", part.n}, {"inside", part.inside}};
    }
  }
  return json;
}

std::string structure_text(const Result& r) {
  std::string out = fmt::format(
      "\n  80 % intervals: how much they hold; what engines are off by beside their models (the "
      "deviation that holds {:.0f} %), and how much what others say of it holds\n"
      "  {:<6} {:>8}   {:>10}   {:>14}   {:>15}\n",
      100 * validation::kHeldPart, "", "reported", "deviation", "other models", "other engines");
  for (const auto& [name, time, error] :
       {std::tuple("TPOT", validation::E2eTime::Token, &r.summary.tpot),
        std::tuple("TTFT", validation::E2eTime::First, &r.summary.ttft)}) {
    const auto found = structure_of(r.predictions, time);
    out += fmt::format("  {:<6} {:>6.1f} %   {:>10.2f}   {:>12.1f} %   {:>13.1f} %\n", name,
                       error->coverage80, found.all, coverage_of(found.by_model),
                       coverage_of(found.by_engine));
  }
  return out;
}

Json to_json(const Result& r) {
  Json json;
  json["n"] = r.summary.tpot.n;
  json["tpot"] = error_json(r.summary.tpot);
  json["ttft"] = error_json(r.summary.ttft);
  json["ttft_all"] = error_json(r.summary.ttft_all);
  // Nothing is said of an interval.
  for (const auto& [name, error] :
       {std::pair("tpot", &r.summary.bare_tpot), {"ttft", &r.summary.bare_ttft}}) {
    json["bare_steps"][name] = error_json(*error);
    json["bare_steps"][name].erase("coverage80");
  }
  json["ttft_with_host"] = error_json(r.summary.ttft_with_host);
  for (const auto& [engine, error] : r.summary.ttft_with_host_by)
    json["ttft_with_host_by_engine"][engine] = error_json(error);
  for (const auto& [key, ms] : r.summary.host_ms) json["host_ms"][key] = rounded(ms);
  const auto ranking = [](const validation::RankedPairs& ranked) {
    return Json{{"pairs", ranked.pairs}, {"right", ranked.right}};
  };
  json["ranking"] = {{"tpot", ranking(r.summary.tpot_ranking)},
                     {"output_tokens_per_s_per_gpu", ranking(r.summary.rate_ranking)}};
  json["mean_of_groups"] = {{"tpot", error_json(r.summary.tpot_of_groups)},
                            {"ttft", error_json(r.summary.ttft_of_groups)}};
  json["trust"] = {{"tpot", trust_json(bins_of(statements_on_tpot(r.predictions)))},
                   {"faster", trust_json(bins_of(statements_on_pairs(r.predictions)))}};
  json["accuracy"] = accuracy_json(r.predictions);
  json["bars"] = bars_json(r.predictions);
  json["structure"] = {
      {"tpot", structure_json(structure_of(r.predictions, validation::E2eTime::Token))},
      {"ttft", structure_json(structure_of(r.predictions, validation::E2eTime::First))}};
  for (const auto& [name, values] : r.summary.by) {
    for (const auto& [value, errors] : values) {
      json["by"][name][value] = {{"tpot", error_json(errors.tpot)},
                                 {"ttft", error_json(errors.ttft)}};
    }
  }
  if (!r.rows.taken.empty()) {
    json["apart"] = {{"taken", set_apart_json(r.rows.taken)}, {"assumed", Json::array()}};
    for (const char* what : kAssumedApart) json["apart"]["assumed"].push_back(what);
  }
  json["skipped"] = set_apart_json(r.skipped);
  json["worst"] = Json::array();
  for (const E2ePrediction* p : r.worst) {
    json["worst"].push_back({{"case", p->row.name},
                             {"deployment", p->row.deployment()},
                             {"isl", p->row.isl},
                             {"osl", p->row.osl},
                             {"concurrency", p->row.concurrency},
                             {"cache_demand", rounded(p->demand)},
                             {"counts_for_ttft", p->counts_for_ttft()},
                             {"measured_tpot_ms", p->row.tpot_ms},
                             {"predicted_tpot_ms", p->tpot_ms},
                             {"measured_ttft_ms", p->row.ttft_ms},
                             {"predicted_ttft_ms", p->ttft_ms},
                             {"tpot80_ms", {p->tpot_low, p->tpot_high}},
                             {"ttft80_ms", {p->ttft_low, p->ttft_high}},
                             {"models80",
                              {p->models.decode_low, p->models.decode_high, p->models.prompt_low,
                               p->models.prompt_high}}});
  }
  return json;
}

std::string line(const std::string& name, const E2eError& tpot, const E2eError& ttft) {
  return fmt::format(
      "  {:<52} {:>5}  {:>5.1f} {:>6.1f} {:>+6.1f}   {:>5}  {:>5.1f} {:>6.1f} {:>+6.1f}\n", name,
      tpot.n, tpot.median, tpot.p90, tpot.bias, ttft.n, ttft.median, ttft.p90, ttft.bias);
}

std::string to_text(const Result& r) {
  std::string out =
      fmt::format("  {:<52} {:>5}  {:>5} {:>6} {:>6}   {:>5}  {:>5} {:>6} {:>6}\n", "error in %",
                  "TPOT", "med.", "p90", "bias", "TTFT", "med.", "p90", "bias");
  out += line("all", r.summary.tpot, r.summary.ttft);
  out += line("mean of groups", r.summary.tpot_of_groups, r.summary.ttft_of_groups);
  out += line("all, by a decode's and a prompt's step alone", r.summary.bare_tpot,
              r.summary.bare_ttft);
  for (const auto& [name, values] : r.summary.by) {
    out += fmt::format("\n  by {}\n", name);
    for (const auto& [value, errors] : values) out += line(value, errors.tpot, errors.ttft);
  }
  out +=
      "\n  with what first tokens of the engine's other models take beyond it (8 clients, 1,024 "
      "tokens at most)\n";
  out += line("all", {}, r.summary.ttft_with_host);
  for (const auto& [engine, error] : r.summary.ttft_with_host_by) out += line(engine, {}, error);
  out += "\n  deployments of a model on a system, under one load, that differ by more than 5 %\n";
  for (const auto& [name, ranked] : {std::pair("TPOT", r.summary.tpot_ranking),
                                     std::pair("tokens/s/GPU", r.summary.rate_ranking)}) {
    out += fmt::format("  {:<14} {:>5} pairs, {:.1f} % in the right order\n", name, ranked.pairs,
                       ranked.percent());
  }
  out += bars_text(r.predictions) + accuracy_text(r.predictions) + structure_text(r) +
         trust_text(r.predictions);
  return out + apart_text(r.rows.taken) + set_apart_text(r.skipped);
}

bool is_dense(const std::string& model_file) {
  return !workloads::load_model(model_file).is_moe();
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  std::vector<std::filesystem::path> files;
  for (const std::string& file : arguments.all("FILE")) files.emplace_back(file);
  Result result{.rows = validation::read_measured(files)};
  const bool says_load = !result.rows.rows.empty() && result.rows.rows.front().load.has_value();
  for (const char* option : {"options", "full"}) {
    if (says_load && (arguments.has(option) || arguments.find(option))) {
      throw sim::ConfigError(fmt::format(
          "--{}: the rows of this table say themselves what was sent and started: leave it out",
          option));
    }
  }
  validation::E2eOptions options{.configs = shipped_folder("engines").parent_path().string()};
  options.full = arguments.has("full");
  std::optional<validation::OptionTable> runs;
  if (const auto file = arguments.find("options")) {
    runs = validation::OptionTable::read(*file);
    options.runs = &*runs;
    set_drafted_apart(result.rows, *runs);
    settle_pools(result.rows, validation::read_pool_recipes(*file));
  }
  result.skipped = result.rows.skipped;
  options.threads = static_cast<int>(arguments.integer("jobs", 1, 256));
  std::map<std::string, std::string> models;
  for (const std::string& pair : arguments.all("model")) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      throw sim::ConfigError(
          fmt::format("--model {}: expected ID=FILE, such as Qwen/Qwen3-32B=mine.yaml", pair));
    }
    models[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  // Files once, so that rows of unknown models are told apart from those that cannot be played.
  std::map<std::string, std::int64_t> unknown;
  std::vector<validation::E2eRow> rows;
  for (const validation::E2eRow& row : result.rows.rows) {
    auto found = models.find(row.model);
    if (found == models.end()) {
      // A checkpoint's format is in its name.
      const std::string plain = row.model.substr(0, row.model.rfind("-FP8"));
      try {
        found = models.emplace(row.model, find_config("models", plain).string()).first;
      } catch (const sim::ConfigError&) {
        found = models.emplace(row.model, "").first;
      }
    }
    if (found->second.empty()) {
      ++unknown["no model file is called or has the alias " + row.model];
    } else if (row.load && is_dense(found->second)) {
      ++unknown["a dense model, " + row.model];
    } else {
      rows.push_back(row);
    }
  }
  options.model_file = [&](const std::string& model) {
    return std::filesystem::absolute(models.at(model)).string();
  };
  options.progress = [&](std::size_t done, std::size_t all) {
    if (done % 50 == 0) console.err << fmt::format("{} of {} rows\n", done, all) << std::flush;
  };
  options.configs = std::filesystem::absolute(options.configs).string();
  result.predictions = predict_e2e(rows, options);
  for (const E2ePrediction& p : result.predictions) {
    if (!p.failed.empty()) ++unknown[p.failed];
  }
  for (const auto& [reason, n] : unknown) result.skipped.push_back({reason, n});
  if (says_load) {
    const LoadReport report{.predictions = std::move(result.predictions),
                            .skipped = std::move(result.skipped)};
    console.out << (arguments.json() ? sim::io::to_text(load_json(report)) : load_text(report));
    return sim::ExitCode::Ok;
  }
  result.summary = summarise_e2e(result.predictions);
  for (const E2ePrediction& p : result.predictions) {
    if (p.failed.empty()) result.worst.push_back(&p);
  }
  std::stable_sort(result.worst.begin(), result.worst.end(), [](const auto* a, const auto* b) {
    const auto off = [](const E2ePrediction* p) {
      return std::abs(std::log(p->tpot_ms / p->row.tpot_ms));
    };
    return off(a) > off(b);
  });
  if (!arguments.has("rows") && result.worst.size() > kWorst) result.worst.resize(kWorst);
  console.out << (arguments.json() ? sim::io::to_text(to_json(result)) : to_text(result));
  return sim::ExitCode::Ok;
}

}  // namespace

Command validate_serving_command() {
  return {
      .name = "validate serving",
      .summary = "predicted TTFT and TPOT of whole engines beside measured ones",
      .description =
          "Plays each row of a table of measured engines and compares. Known by their columns are "
          "aiconfigurator's silicon samples, played as a closed loop, and tables that say what was "
          "sent and how the engine was started, played as that: GPUStack's performance lab, "
          "dstack's comparison of prefill and decode workers, inference-sim's stages of constant "
          "rates (vLLM), and a sweep of gpt-oss-120b. Rows whose labels cannot be right, "
          "with --options those whose recipes draft tokens, and rows that cannot be played, are "
          "set apart and counted; rows of prefill and decode apart are played where both say how "
          "many engines there are.",
      .options = {{.name = "FILE",
                   .help = "the measured table (.csv, .csv.gz)",
                   .required = true,
                   .repeated = true,
                   .is_file = true},
                  {.name = "--model",
                   .value = "ID=FILE",
                   .help = "the model file of a hub id that none that ships has among its aliases",
                   .repeated = true},
                  {.name = "--options",
                   .value = "FILE",
                   .help = "what the runs were started with, by engine, version, model, system, "
                           "lengths, layout and concurrency (.csv, .csv.gz)",
                   .is_file = true},
                  {.name = "--full",
                   .help = "silicon samples: ten times the concurrency, as the benchmark does"},
                  {.name = "--rows", .help = "all rows under worst, not the first ten"},
                  {.name = "-j,--jobs",
                   .value = "N",
                   .help = "deployments at a time; changes no result",
                   .fallback = "1"},
                  format_option()},
      .examples = {"moesim validate serving e2e_serving.csv.gz -j 2",
                   "moesim validate serving e2e_serving.csv.gz --options e2e_options.csv.gz",
                   "moesim validate serving gpustack_performance_lab.csv",
                   "moesim validate serving mine.csv --model my/model=mine.yaml --format json"},
      .run = run};
}

}  // namespace moesim::tools
