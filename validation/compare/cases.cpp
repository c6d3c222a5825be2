#include "validation/compare/cases.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "validation/compare/exchange_case.h"
#include "workloads/memory/request.h"
#include "workloads/report/report.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

namespace moesim::validation {
namespace {

using sim::io::Json;
using sim::io::YamlDocument;
using sim::io::YamlNode;

// A path of a scenario, or a scenario inline.
Json run_scenario(const YamlNode& node, const workloads::Shipped& shipped) {
  const workloads::Scenario scenario = node.is_scalar()
                                           ? workloads::load_scenario(node.file(), {}, shipped)
                                           : workloads::read_scenario(node, shipped);
  return workloads::to_json(workloads::run(scenario), scenario);
}

Json run_memory(const YamlNode& node, const workloads::Shipped&) {
  return workloads::answer(workloads::read_memory_request(node));
}

Json run_card(const YamlNode& node, const workloads::Shipped&) {
  return workloads::answer_card(node);
}

Json run_exchange(const YamlNode& node, const workloads::Shipped&) {
  return run_exchange_case(node);
}

// "15%" as 15.
double percent_of(const YamlNode& node) {
  const std::string text = node.text();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || rest != "%" || !(value > 0))
    node.error(fmt::format("expected a tolerance such as 15%, not \"{}\"", text));
  return value;
}

struct Measured {
  std::string metric, where, known_miss = {}, question = {};
  double value = 0, within = 0;
};

Measured read_measured(const YamlNode& node) {
  node.allow_only({"metric", "value", "within", "note", "known_miss", "question"});
  Measured m{.metric = node.at("metric").text(),
             .where = node.where(),
             .value = node.at("value").number(),
             .within = percent_of(node.at("within"))};
  if (const auto miss = node.find("known_miss")) {
    m.known_miss = miss->text();
    if (m.known_miss.empty()) miss->error("expected why the figure is missed, not \"\"");
  }
  if (const auto question = node.find("question")) {
    m.question = question->text();
    if (m.question.empty()) question->error("expected what the figure is an option for, not \"\"");
  }
  return m;
}

}  // namespace

Questions questions_of(const std::vector<CaseResult>& results) {
  Questions questions;
  for (const CaseResult& r : results) {
    if (r.question.empty()) continue;
    const bool time = r.metric.ends_with("_us");
    questions[r.question].push_back({.measured = time ? 1 / r.measured : r.measured,
                                     .predicted = time ? 1 / r.predicted : r.predicted});
  }
  return questions;
}

std::span<const CaseRunner> case_runners() {
  static const std::vector<CaseRunner> runners{{"scenario", run_scenario},
                                               {"memory", run_memory},
                                               {"card", run_card},
                                               {"exchange", run_exchange}};
  return runners;
}

double number_at(const Json& report, std::string_view path, const std::string& where) {
  const Json* at = &report;
  std::string_view rest = path;
  const auto fail = [&](const std::string& what) {
    throw sim::ConfigError(fmt::format("{}: metric {}: {}", where, path, what));
  };
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(".["), rest.size());
    const std::string key(rest.substr(0, end));
    rest.remove_prefix(end);
    if (!key.empty()) {
      if (!at->is_object() || !at->contains(key)) {
        std::string keys;
        if (at->is_object())
          for (const auto& item : at->items()) keys += (keys.empty() ? "" : ", ") + item.key();
        fail(fmt::format("the report has no \"{}\" there{}", key,
                         keys.empty() ? "" : "; it has " + keys));
      }
      at = &at->at(key);
    }
    if (rest.starts_with('[')) {
      std::size_t index = 0;
      const auto [stop, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), index);
      if (error != std::errc{} || stop == rest.data() + rest.size() || *stop != ']')
        fail("expected a place in a list, such as [0]");
      if (!at->is_array() || index >= at->size()) fail("the list is shorter");
      at = &at->at(index);
      rest.remove_prefix(static_cast<std::size_t>(stop + 1 - rest.data()));
    }
    if (rest.starts_with('.')) rest.remove_prefix(1);
  }
  if (!at->is_number()) fail("that is no number");
  return at->get<double>();
}

std::string_view verdict(const CaseResult& result) {
  if (result.known_miss.empty()) return result.ok ? "ok" : "MISSED";
  return result.ok ? "MET, BUT LISTED AS A MISS" : "missed, as known";
}

std::vector<CaseResult> run_case(const std::filesystem::path& file, Json* kept,
                                 const workloads::Shipped& shipped) {
  const YamlDocument document = YamlDocument::load(file);
  const YamlNode root = document.root();
  std::vector<std::string_view> keys{"case", "source", "measured", "assumed"};
  for (const CaseRunner& runner : case_runners()) keys.push_back(runner.key);
  root.allow_only(keys);
  const std::string name = root.at("case").text();
  root.at("source").allow_only({"what", "where", "read"});
  (void)root.at("source").at("what").text();
  std::vector<Measured> measured;
  for (const YamlNode& node : root.at("measured").items()) measured.push_back(read_measured(node));
  const CaseRunner* chosen = nullptr;
  for (const CaseRunner& runner : case_runners()) {
    if (!root.find(runner.key)) continue;
    if (chosen)
      root.error(
          fmt::format("has both \"{}\" and \"{}\"; a case has one", chosen->key, runner.key));
    chosen = &runner;
  }
  if (!chosen) root.error("says nothing to run; a case has a scenario");
  document.throw_errors();
  Json report = chosen->run(root.at(chosen->key), shipped);
  document.throw_errors();  // what the runner noted of its part
  std::vector<CaseResult> results;
  for (const Measured& m : measured) {
    CaseResult r{.name = name,
                 .metric = m.metric,
                 .measured = m.value,
                 .known_miss = m.known_miss,
                 .question = m.question,
                 .training = report.contains("training")};
    r.predicted = number_at(report, m.metric, m.where);
    r.error_percent = (r.predicted / r.measured - 1) * 100;
    r.within_percent = m.within;
    r.ok = std::abs(r.error_percent) <= m.within;
    results.push_back(std::move(r));
  }
  if (kept) *kept = std::move(report);
  return results;
}

}  // namespace moesim::validation
