#include "workloads/training/read_run_plan.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

// "50000 h": longer than a Duration holds, yet no more than a double squares.
double seconds(const YamlNode& node, bool above_zero = false) {
  constexpr double kMost = 1e18;
  const std::string text = node.text();
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  std::string_view unit(end, static_cast<std::size_t>(last - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  constexpr std::array<std::pair<std::string_view, double>, 5> kUnits{
      {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"ms", 1e-3}}};
  bool none = false;
  if (error == std::errc{} && std::isfinite(number) && number >= 0) {
    for (const auto& [name, factor] : kUnits) {
      const double value = number * factor;
      if (name != unit || value > kMost) continue;
      if (value > 0 || !above_zero) return value;
      none = true;
    }
  }
  node.error(fmt::format("expected a time {}with a unit, such as 50000 h, not \"{}\"",
                         none ? "above zero " : "", text));
  return 0;
}

// A share of the run: "20%", or a number from 0 to 1.
double share(const YamlNode& node) {
  const std::string text = node.text();
  const bool percent = text.ends_with("%");
  const std::size_t digits = text.size() - (percent ? 1 : 0);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (percent) number /= 100;
  if (error == std::errc{} && end == text.data() + digits && number >= 0 && number < 1)
    return number;
  node.error(fmt::format("expected a part of the run, such as 20%, not \"{}\"", text));
  return 0;
}

void read_run_routing(const YamlNode& list, RunPlan& run) {
  for (const YamlNode& item : list.items()) {
    item.allow_only({"from", "trace"});
    const YamlNode from = item.at("from");
    RunRouting part{.from = from.is_missing() ? 0 : share(from), .trace = item.at("trace").file()};
    if (run.routing.empty() && part.from != 0)
      from.error("the first part of a run is from 0");
    else if (!run.routing.empty() && part.from <= run.routing.back().from)
      from.error("parts of a run are told in order, each from later on");
    run.routing.push_back(std::move(part));
  }
  if (run.routing.empty()) list.error("expected at least one part: {from: 0, trace: early.h5}");
}

}  // namespace

RunPlan read_run_plan(const YamlNode& node, const std::optional<hardware::Reliability>& stated) {
  node.allow_only({"tokens", "checkpoint", "failures", "routing"});
  RunPlan run;
  if (const auto tokens = node.find("tokens")) run.tokens = tokens->number(1, 1e18);
  if (const auto routing = node.find("routing")) read_run_routing(*routing, run);
  if (const auto checkpoint = node.find("checkpoint")) {
    checkpoint->allow_only({"every", "blocks"});
    run.blocks_s = seconds(checkpoint->at("blocks"));
    const auto every = checkpoint->find("every");
    if (every && every->text() != "optimal") run.every_s = seconds(*every, true);
    if (run.every_s && *run.every_s > 0 && *run.every_s <= run.blocks_s)
      every->error("a checkpoint that blocks as long as its interval leaves no time for steps");
  }
  if (const auto failures = node.find("failures")) {
    failures->allow_only({"gpu_mtbf", "detect", "restart"});
    run.gpu_mtbf_s = seconds(failures->at("gpu_mtbf"), true);
    const auto told = [&](const char* key, double& time) {
      const auto value = failures->find(key);
      if (value) time = seconds(*value);
      return value.has_value();
    };
    run.assumed_detect = !told("detect", run.detect_s);
    run.assumed_restart = !told("restart", run.restart_s);
  } else if (stated) {
    run.gpu_mtbf_s = stated->gpu_hours * 3600;
    run.restart_s = stated->restart_h * 3600;
    run.failures_source = stated->source;
  } else if (const auto checkpoint = node.find("checkpoint"); checkpoint && !run.every_s) {
    checkpoint->error("without failures there is no best interval: give every, such as 30 min");
  }
  if (run.gpu_mtbf_s == 0 || run.every_s) return run;
  if (const auto checkpoint = node.find("checkpoint")) {
    if (run.blocks_s == 0)
      checkpoint->error(
          "a checkpoint that does not block has no best interval: give every, such as 30 min");
  } else {
    run.assumed_checkpoint = true;
    run.blocks_s = kAssumedBlocks;
  }
  return run;
}

}  // namespace moesim::workloads
