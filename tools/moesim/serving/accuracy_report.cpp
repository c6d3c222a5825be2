#include "tools/moesim/serving/accuracy_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/moesim/serving/row_report.h"
#include "validation/serving/e2e_accuracy.h"
#include "validation/serving/e2e_choices.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::AccuracyIs;
using validation::AccuracyRow;
using validation::E2eCapacity;
using validation::E2ePrediction;

std::map<std::string, std::vector<E2ePrediction>> by_model(
    const std::vector<E2ePrediction>& predictions) {
  std::map<std::string, std::vector<E2ePrediction>> models;
  for (const E2ePrediction& p : predictions)
    if (p.failed.empty()) models[p.row.model].push_back(p);
  return models;
}

Json rows_json(const std::vector<E2ePrediction>& predictions) {
  Json rows = Json::array();
  for (const AccuracyRow& row : validation::accuracy_of(predictions)) {
    rows.push_back({{"what", row.what},
                    {"n", row.n},
                    {"value", rounded(row.value)},
                    {"must", row.must},
                    {"met", row.n > 0 ? Json(row.met()) : Json()}});
  }
  return rows;
}

std::map<std::string, std::vector<E2eCapacity>> by_group(
    const std::vector<E2eCapacity>& capacities) {
  std::map<std::string, std::vector<E2eCapacity>> groups;
  for (const E2eCapacity& c : capacities) groups[c.of->row.group()].push_back(c);
  return groups;
}

Json error_json(const std::vector<E2eCapacity>& capacities) {
  const validation::E2eError e = error_of(capacities);
  return {{"n", e.n},
          {"median", rounded(e.median)},
          {"p90", rounded(e.p90)},
          {"bias", rounded(e.bias)},
          {"beyond", std::ranges::count_if(capacities, &E2eCapacity::beyond)}};
}

std::string capacity_line(const std::string& name, const std::vector<E2eCapacity>& capacities) {
  const validation::E2eError e = error_of(capacities);
  return fmt::format("  {:<52} {:>5}  {:>5.1f} {:>6.1f} {:>+6.1f}   {:>6}\n", name, e.n, e.median,
                     e.p90, e.bias, std::ranges::count_if(capacities, &E2eCapacity::beyond));
}

}  // namespace

std::string accuracy_text(const std::vector<E2ePrediction>& predictions) {
  std::string out =
      fmt::format("\n  {:<60} {:>6} {:>8} {:>12}\n", "what a plan rests on", "of", "found", "must");
  for (const AccuracyRow& row : validation::accuracy_of(predictions)) {
    out += row.n == 0 ? fmt::format("  {:<60} {:>6}\n", row.what, "none")
                      : fmt::format("  {:<60} {:>6} {:>8.2f} {:>5} {:>6}{}\n", row.what, row.n,
                                    row.value, row.is == AccuracyIs::Right ? ">=" : "<=", row.must,
                                    row.met() ? "" : "   MISSED");
  }
  const auto capacities = validation::capacities_of(predictions);
  out +=
      fmt::format("\n  {:<52} {:>5}  {:>5} {:>6} {:>6}   {:>6}\n",
                  "capacity at a target of TPOT, error in %", "", "med.", "p90", "bias", "beyond");
  out += capacity_line("all; beyond: no load of ours passes the target", capacities);
  for (const auto& [group, of_group] : by_group(capacities)) out += capacity_line(group, of_group);
  return out;
}

Json accuracy_json(const std::vector<E2ePrediction>& predictions) {
  Json json{{"rows", rows_json(predictions)}};
  for (const auto& [model, of_model] : by_model(predictions))
    json["by_model"][model] = rows_json(of_model);
  const auto capacities = validation::capacities_of(predictions);
  json["capacity"] = error_json(capacities);
  for (const auto& [group, of_group] : by_group(capacities))
    json["capacity"]["by_group"][group] = error_json(of_group);
  return json;
}

}  // namespace moesim::tools
