#include "tools/moesim/serving/bars_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/moesim/serving/row_report.h"
#include "validation/serving/e2e_bars.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::E2eError;
using validation::E2ePrediction;
using validation::ErrorBar;

bool unbiased(const E2eError& e) {
  return std::abs(e.bias) <= validation::kEngineBias;
}

std::string line(const std::string& name, const E2eError& e, const std::string& must, bool met) {
  if (e.n == 0) return fmt::format("  {:<52} {:>5}\n", name, "none");
  return fmt::format("  {:<52} {:>5}  {:>5.1f} {:>6.1f} {:>+6.1f}   {:>10}{}\n", name, e.n,
                     e.median, e.p90, e.bias, must, met ? "" : "   MISSED");
}

std::string line(const std::string& name, const E2eError& e, const ErrorBar& bar) {
  return line(name, e, fmt::format("{:g} / {:g}", bar.median, bar.p90), bar.met(e));
}

Json must_json(const ErrorBar& bar) {
  return {{"median", bar.median}, {"p90", bar.p90}};
}

Json with_met(const E2eError& e, bool met) {
  Json json = error_json(e);
  json.erase("coverage80");  // intervals are judged elsewhere
  json["met"] = e.n > 0 ? Json(met) : Json();
  return json;
}

}  // namespace

std::string bars_text(const std::vector<E2ePrediction>& predictions) {
  std::string out =
      fmt::format("\n  {:<52} {:>5}  {:>5} {:>6} {:>6}   {:>10}\n",
                  "TPOT by generation, error in %", "", "med.", "p90", "bias", "must");
  const auto generations = validation::by_generation(predictions);
  for (std::size_t g = 0; g < generations.size(); ++g) {
    const auto& of = generations[g];
    const std::string name(validation::kGenerationNames[g]);
    out += line(name, of.all, of.bar);
    for (const auto& [engine, error] : of.by_engine)
      out += line(fmt::format("{} {}", name, engine), error,
                  fmt::format("bias {:g}", validation::kEngineBias), unbiased(error));
  }
  const auto bound = validation::where_cache_binds(predictions);
  out += "\n  where the cache binds: clients want more tokens of it than there is room for\n";
  out += line("tokens/s", bound.throughput, validation::kCacheBar);
  out += line("TTFT, most of it queueing", bound.ttft, validation::kCacheBar);
  return out;
}

Json bars_json(const std::vector<E2ePrediction>& predictions) {
  Json json;
  const auto generations = validation::by_generation(predictions);
  for (std::size_t g = 0; g < generations.size(); ++g) {
    const auto& of = generations[g];
    Json& one = json["generations"][std::string(validation::kGenerationNames[g])];
    one = {{"must", must_json(of.bar)},
           {"bias_must", validation::kEngineBias},
           {"tpot", with_met(of.all, of.bar.met(of.all))},
           {"by_engine", Json::object()}};
    for (const auto& [engine, error] : of.by_engine)
      one["by_engine"][engine] = with_met(error, unbiased(error));
  }
  const auto bound = validation::where_cache_binds(predictions);
  const ErrorBar& bar = validation::kCacheBar;
  json["cache_binds"] = {{"must", must_json(bar)},
                         {"throughput", with_met(bound.throughput, bar.met(bound.throughput))},
                         {"ttft", with_met(bound.ttft, bar.met(bound.ttft))}};
  return json;
}

}  // namespace moesim::tools
