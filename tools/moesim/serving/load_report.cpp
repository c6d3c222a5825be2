#include "tools/moesim/serving/load_report.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/moesim/serving/row_report.h"
#include "validation/serving/option_pairs.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::Beside;
using validation::E2eError;
using validation::E2eErrors;
using validation::E2ePrediction;

// Groups say no more than engine, system and model together; options are in no table.
constexpr std::array<const char*, 6> kBy{"engine", "system", "model", "mode", "load", "group"};
constexpr std::array<std::pair<const char*, Beside>, 2> kBeside{
    {{"engines and options", Beside::All}, {"options of one engine", Beside::OneEngine}}};

std::string cells(const E2eError& e) {
  if (e.n == 0) return fmt::format("   {:>3}  {:>5} {:>6} {:>6} {:>5}", "", "", "", "", "");
  return fmt::format("   {:>3}  {:>5.1f} {:>6.1f} {:>+6.1f} {:>4.0f}%", e.n, e.median, e.p90,
                     e.bias, e.coverage80);
}

std::string line(const std::string& name, const E2eErrors& e) {
  return fmt::format("  {:<44}{}{}{}\n", name, cells(e.throughput), cells(e.tpot), cells(e.ttft));
}

std::string value_of(double measured, double predicted) {
  return measured > 0 ? fmt::format("   {:>8.1f} {:>8.1f} {:>+6.0f}%", measured, predicted,
                                    100 * (predicted / measured - 1))
                      : fmt::format("   {:>8} {:>8.1f} {:>7}", "none", predicted, "");
}

Json errors_json(const E2eErrors& e) {
  return {{"throughput", error_json(e.throughput)},
          {"tpot", error_json(e.tpot)},
          {"ttft", error_json(e.ttft)}};
}

Json ranking(const validation::RankedPairs& pairs) {
  return {{"pairs", pairs.pairs}, {"right", pairs.right}};
}

}  // namespace

std::string load_text(const LoadReport& report) {
  const auto summary = summarise_e2e(report.predictions);
  std::string out = fmt::format("  {:<44}", "error in %; in the 80 % interval");
  for (const char* of : {"n", "TPOT", "TTFT"})
    out += fmt::format("   {:>3}  {:>5} {:>6} {:>6} {:>5}", *of == 'n' ? "tok" : of, "med.", "p90",
                       "bias", "in");
  out += "\n  " + std::string(44, ' ') + "   tok: output tokens a second of the whole run\n";
  out += line("all", {summary.tpot, summary.ttft, summary.throughput});
  for (const char* by : kBy) {
    out += fmt::format("\n  by {}\n", by);
    for (const auto& [value, errors] : summary.by.at(by)) out += line(value, errors);
  }
  out +=
      "\n  of a model on a system under one load, in the right order where they differ by more "
      "than 5 %\n";
  for (const auto& [name, beside] : kBeside) {
    const auto pairs = option_pairs(report.predictions, beside);
    out += fmt::format("  {:<24}", name);
    for (const auto& [of, ranked] : {std::pair("tokens/s", pairs.throughput),
                                     std::pair("TPOT", pairs.tpot), std::pair("TTFT", pairs.ttft)})
      out += fmt::format("   {} {} of {}", of, ranked.right, ranked.pairs);
    out += "\n";
  }
  out += fmt::format("\n  {:<44}   {:>26}   {:>26}   {:>26}\n", "each row: measured, predicted",
                     "tokens/s", "TPOT, ms", "TTFT, ms");
  for (const E2ePrediction& p : report.predictions) {
    if (!p.failed.empty()) continue;
    const auto& r = p.row;
    out += fmt::format("  {}: {}; {}; {}{}\n  {:<44}{}{}{}\n", r.name, r.deployment(), r.model,
                       r.load->name, r.load->options.empty() ? "" : ";" + r.load->options, "",
                       value_of(r.throughput, p.throughput), value_of(r.tpot_ms, p.tpot_ms),
                       value_of(r.ttft_ms, p.ttft_ms));
  }
  return out + set_apart_text(report.skipped);
}

Json load_json(const LoadReport& report) {
  const auto summary = summarise_e2e(report.predictions);
  Json json = errors_json({summary.tpot, summary.ttft, summary.throughput});
  for (const char* by : kBy)
    for (const auto& [value, errors] : summary.by.at(by))
      json["by"][by][value] = errors_json(errors);
  for (const auto& [name, beside] : kBeside) {
    const auto pairs = option_pairs(report.predictions, beside);
    json["pairs"][beside == Beside::All ? "all" : "one_engine"] = {
        {"throughput", ranking(pairs.throughput)},
        {"tpot", ranking(pairs.tpot)},
        {"ttft", ranking(pairs.ttft)}};
  }
  json["skipped"] = set_apart_json(report.skipped);
  json["rows"] = Json::array();
  for (const E2ePrediction& p : report.predictions) {
    if (!p.failed.empty()) continue;
    const auto pair = [](double measured, double predicted, double low, double high) {
      return Json{{"measured", measured > 0 ? Json(measured) : Json()},
                  {"predicted", predicted},
                  {"interval80", {low, high}}};
    };
    json["rows"].push_back(
        {{"case", p.row.name},
         {"deployment", p.row.deployment()},
         {"model", p.row.model},
         {"load", p.row.load->name},
         {"options", p.row.load->options},
         {"cache_demand", rounded(p.demand)},
         {"output_throughput",
          pair(p.row.throughput, p.throughput, p.throughput_low, p.throughput_high)},
         {"mean_tpot_ms", pair(p.row.tpot_ms, p.tpot_ms, p.tpot_low, p.tpot_high)},
         {"mean_ttft_ms", pair(p.row.ttft_ms, p.ttft_ms, p.ttft_low, p.ttft_high)}});
  }
  return json;
}

}  // namespace moesim::tools
