#include "tools/moesim/serving/row_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace moesim::tools {

using sim::io::Json;

double rounded(double value) {
  return std::round(value * 100) / 100;
}

Json error_json(const validation::E2eError& e) {
  return {{"n", e.n},
          {"median", rounded(e.median)},
          {"p90", rounded(e.p90)},
          {"mean", rounded(e.mean)},
          {"bias", rounded(e.bias)},
          {"coverage80", rounded(e.coverage80)}};
}

std::string set_apart_text(const std::vector<validation::SkippedRows>& rows) {
  std::string text = "\n  set apart\n";
  for (const auto& one : rows) text += fmt::format("  {:>5}  {}\n", one.n, one.reason);
  return text;
}

Json set_apart_json(const std::vector<validation::SkippedRows>& rows) {
  Json json = Json::array();
  for (const auto& one : rows) json.push_back({{"reason", one.reason}, {"n", one.n}});
  return json;
}

}  // namespace moesim::tools
