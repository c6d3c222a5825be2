#include "tools/study/plan/read_training_goal.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/training/schedule.h"

namespace moesim::tools {
namespace {

using sim::io::YamlNode;

constexpr double kSecondsOfDay = 86400;
constexpr std::int64_t kMostMicroBatch = 1 << 20, kMostStages = 1024;

constexpr std::array<std::string_view, 5> kSearched{"micro_batch", "recompute", "schedule",
                                                    "virtual_stages", "layout"};

void join(std::string& list, const std::string& part) {
  list += (list.empty() ? "" : ", ") + part;
}

// `run` of the scenario: what the plan says of it, and what it leaves to be assumed.
std::string run_text(const std::optional<YamlNode>& run, const std::string& tokens,
                     bool reliability_given, bool& failures) {
  std::string text = "tokens: " + tokens;
  bool checkpoint = false;
  if (run) {
    for (const auto& [key, value] : run->entries()) {
      if (key == "tokens") value.error("is the plan's: say training.tokens");
      checkpoint = checkpoint || key == "checkpoint";
      failures = failures || key == "failures";
      if (key == "failures" && reliability_given)
        value.error("the plan's reliability says so too: leave one of them out");
      join(text, fmt::format("{}: {}", key, yaml_text(value)));
    }
  }
  if (!checkpoint) join(text, "checkpoint: {every: optimal, blocks: 30 s}");
  return "{" + text + "}";
}

void read_days(const YamlNode& targets, PlanSpec& spec) {
  if (targets.is_missing()) return;
  targets.allow_only({"days", "confidence"});
  spec.training->days = targets.at("days").number(0.001, 1e6);
  if (const auto confidence = targets.find("confidence"))
    spec.demand.confidence = confidence->number(0.5, 0.999);
}

}  // namespace

void read_training_goal(const YamlNode& root, PlanSpec& spec) {
  const YamlNode node = root.at("training");
  TrainingGoal& goal = spec.training.emplace();
  const YamlNode tokens = node.at("tokens");
  goal.tokens = tokens.number(1, 1e18);
  std::string text;
  for (const auto& [key, value] : node.entries()) {
    if (std::ranges::find(kSearched, key) != kSearched.end())
      value.error(key == "layout"
                      ? "stages are searched: leave it out (account_for says what counts as a "
                        "layer)"
                      : fmt::format("is searched: say it under space, such as space: {{{}: [{}]}}",
                                    key, value.is_scalar() ? value.text() : "full"));
    else if (key != "tokens" && key != "run")
      join(text, fmt::format("{}: {}", key, yaml_text(value)));
  }
  if (!tokens.is_missing()) {
    join(text, "run: " + run_text(node.find("run"), tokens.text(),
                                  root.find("reliability").has_value(), goal.failures_told));
  }
  goal.text = "{" + text + "}";
  read_days(root.at("targets"), spec);
  spec.demand.tokens = goal.tokens;
  if (goal.days > 0) spec.demand.rate = goal.tokens / (goal.days * kSecondsOfDay);
  for (const char* other : {"load", "serving", "spare"}) {
    const auto found = root.find(other);
    if (!found) continue;
    found->error(other == std::string_view("spare")
                     ? "a run that loses a GPU starts again: training.run.failures says how often"
                     : "a run of training is planned: leave it out");
  }
}

void read_training_space(const YamlNode& space, TrainingSpace& training) {
  if (const auto sizes = space.find("micro_batch"))
    training.micro_batch = integers(*sizes, 1, kMostMicroBatch);
  if (const auto stages = space.find("virtual_stages"))
    training.virtual_stages = integers(*stages, 2, kMostStages);
  if (const auto levels = space.find("recompute")) {
    training.recompute.clear();
    for (const YamlNode& item : levels->items()) {
      const auto level = static_cast<Recomputing>(item.one_of(kRecomputingNames));
      if (std::ranges::find(training.recompute, level) == training.recompute.end())
        training.recompute.push_back(level);
    }
    if (training.recompute.empty()) levels->error("expected at least one");
  }
  if (const auto schedules = space.find("schedule")) {
    training.schedules.clear();
    for (const YamlNode& item : schedules->items()) {
      (void)item.one_of(workloads::schedule_names());
      const auto name = workloads::parse_schedule(item.text());
      if (name && std::ranges::find(training.schedules, *name) == training.schedules.end())
        training.schedules.push_back(*name);
    }
    if (training.schedules.empty()) schedules->error("expected at least one");
  }
}

}  // namespace moesim::tools
