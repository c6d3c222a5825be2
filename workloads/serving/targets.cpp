#include "workloads/serving/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/io/yaml_share.h"
#include "sim/units_text.h"

namespace moesim::workloads::serving {
namespace {

using sim::io::Json;
using sim::io::YamlNode;

constexpr std::array<std::string_view, 4> kShown{"TTFT", "TPOT", "ITL", "latency"};

std::string_view shown(TimeOf of) {
  return kShown[static_cast<std::size_t>(of)];
}

std::optional<sim::Duration>* each_of(Targets& targets, TimeOf of) {
  switch (of) {
    case TimeOf::Ttft:
      return &targets.ttft;
    case TimeOf::Tpot:
      return &targets.tpot;
    case TimeOf::E2el:
      return &targets.e2el;
    case TimeOf::Itl:
      break;
  }
  return nullptr;
}

void read_time(const YamlNode& node, TimeOf of, Targets& targets) {
  std::optional<sim::Duration>* const each = each_of(targets, of);
  if (!node.is_map()) {
    if (each == nullptr)
      node.error("is of gaps, not of requests: expected a statistic, such as {p99: 200 ms}");
    else
      *each = node.duration();
    return;
  }
  std::vector<std::string_view> keys(kStatisticNames.begin(), kStatisticNames.end());
  if (each != nullptr) keys.emplace_back("each");
  node.allow_only(keys);
  if (each != nullptr) {
    if (const auto found = node.find("each")) *each = found->duration();
  }
  for (std::size_t i = 0; i < kStatisticNames.size(); ++i) {
    if (const auto found = node.find(kStatisticNames[i]))
      targets.statistics.push_back({of, static_cast<Statistic>(i), found->duration()});
  }
}

}  // namespace

std::optional<double> part_of(Statistic statistic) {
  constexpr std::array kParts{0.0, 0.5, 0.9, 0.95, 0.99};
  if (statistic == Statistic::Mean) return {};
  return kParts[static_cast<std::size_t>(statistic)];
}

std::optional<sim::Duration> tightest(const Targets& targets, TimeOf of) {
  Targets copy = targets;
  std::optional<sim::Duration>* const each = each_of(copy, of);
  std::optional<sim::Duration> least = each == nullptr ? std::nullopt : *each;
  for (const StatisticTarget& target : targets.statistics)
    if (target.of == of) least = std::min(least.value_or(target.most), target.most);
  return least;
}

Targets read_targets(const YamlNode& node, std::initializer_list<std::string_view> also) {
  std::vector<std::string_view> keys(kTimeOfNames.begin(), kTimeOfNames.end());
  keys.emplace_back("attained");
  keys.insert(keys.end(), also);
  node.allow_only(keys);
  Targets targets;
  for (std::size_t i = 0; i < kTimeOfNames.size(); ++i) {
    if (const auto found = node.find(kTimeOfNames[i]))
      read_time(*found, static_cast<TimeOf>(i), targets);
  }
  if (const auto found = node.find("attained"))
    targets.attained = sim::io::read_share(*found, 0, 1);
  if (!targets.any()) node.error("expected at least one of ttft, tpot, e2el");
  return targets;
}

Json to_json(const Targets& targets) {
  Json json{{"attained", targets.attained}};
  if (targets.ttft) json["ttft_us"] = sim::to_us(*targets.ttft);
  if (targets.tpot) json["tpot_us"] = sim::to_us(*targets.tpot);
  if (targets.e2el) json["e2el_us"] = sim::to_us(*targets.e2el);
  for (const StatisticTarget& target : targets.statistics) {
    json[fmt::format("{}_{}_us", kStatisticNames[static_cast<std::size_t>(target.statistic)],
                     kTimeOfNames[static_cast<std::size_t>(target.of)])] = sim::to_us(target.most);
  }
  return json;
}

std::string name_of(const StatisticTarget& target) {
  return fmt::format("{} {}", kStatisticNames[static_cast<std::size_t>(target.statistic)],
                     shown(target.of));
}

std::string text_of(const Targets& targets) {
  std::string text;
  const auto add = [&](std::string_view name, const std::optional<sim::Duration>& value) {
    if (value) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, sim::to_text(*value));
  };
  add(shown(TimeOf::Ttft), targets.ttft);
  add(shown(TimeOf::Tpot), targets.tpot);
  add(shown(TimeOf::E2el), targets.e2el);
  for (const StatisticTarget& target : targets.statistics) add(name_of(target), target.most);
  return text;
}

}  // namespace moesim::workloads::serving
