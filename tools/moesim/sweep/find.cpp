#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/moesim/trace_cache.h"
#include "tools/study/break_even.h"
#include "tools/study/crossing_range.h"
#include "tools/study/expression.h"
#include "tools/study/study_spec.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

// A scenario under a name: what it has otherwise than the base.
struct Variant {
  std::string name;
  std::vector<std::string> sets;
};

// "A:KEY=VALUE", several times for one name.
std::vector<Variant> read_variants(const std::vector<std::string>& texts) {
  std::vector<Variant> variants;
  for (const std::string& text : texts) {
    const std::size_t colon = text.find(':'), equals = text.find('=');
    if (colon == 0 || colon == std::string::npos || equals == std::string::npos ||
        equals < colon + 2) {
      throw sim::ConfigError(fmt::format(
          "--variant: expected NAME:KEY=VALUE, such as A:parallelism.ep=16, not \"{}\"", text));
    }
    const std::string name = text.substr(0, colon);
    auto found = std::ranges::find(variants, name, &Variant::name);
    if (found == variants.end()) found = variants.insert(found, {name, {}});
    found->sets.push_back(text.substr(colon + 1));
  }
  return variants;
}

class Finder {
 public:
  explicit Finder(const Arguments& arguments)
      : file_(find_config("scenarios", arguments.text("SCENARIO"))),
        sets_(arguments.all("set")),
        variants_(read_variants(arguments.all("variant"))),
        range_(read_break_even_range(arguments.text("over"), "--over")),
        condition_(arguments.text("CONDITION"), "CONDITION"),
        traces_(trace_cache(std::getenv)) {}

  const BreakEvenRange& range() const { return range_; }
  const Expression& condition() const { return condition_; }
  int runs() const { return runs_; }
  std::size_t values() const { return asked_.size(); }
  std::optional<CrossingRange> range_of(const Crossing& crossing) const {
    return tools::range_of(crossing, asked_, condition_);
  }
  // Of the values that were asked, those at which something does not fit, and what would do.
  const std::map<double, std::string>& too_large() const { return too_large_; }

  // Throws ConfigError where it begins with no value that is the scenario's.
  BreakEven search(Console console) {
    try {
      return break_even(range_, [&](double value) {
        if (console.interrupted())
          throw sim::Error(sim::ExitCode::Interrupted, "moesim sweep find: interrupted");
        return holds(value);
      });
    } catch (const sim::ConfigError&) {
      if (asked_.empty() && invalid_.contains(range_.low))
        throw sim::ConfigError(invalid_.at(range_.low));
      throw;
    }
  }

  // Values at which there is no scenario, and why.
  const std::map<double, std::string>& invalid() const { return invalid_; }

  // A step that does not fit is nobody's answer, unless the condition asks what fits. Nothing where
  // there is no such scenario.
  std::optional<bool> holds(double value) {
    AskedValue& asked = asked_[value];
    try {
      if (variants_.empty()) asked.reports[""] = report({}, value);
      for (const Variant& variant : variants_)
        asked.reports[variant.name] = report(variant.sets, value);
    } catch (const sim::ConfigError& error) {
      invalid_.emplace(value, error.what());
      asked_.erase(value);
      return {};
    } catch (const sim::InfeasibleError& error) {
      too_large_.emplace(value, error.what());
      asked.fits = false;
      return false;
    }
    for (const auto& [name, report] : asked.reports) {
      const auto fits = find_value(report, "memory.fits");
      if (fits == Value(false)) {
        const auto advice = find_value(report, "memory.advice");
        too_large_.emplace(value, advice ? to_text(*advice) : "");
      }
    }
    asked.fits = !too_large_.contains(value) || asks_what_fits();
    return asked.fits &&
           condition_.holds([&](std::string_view key) { return value_in(asked, key); });
  }

 private:
  // The report, and what the scenario says.
  Json report(const std::vector<std::string>& own, double value) {
    std::vector<std::string> sets = sets_;
    sets.insert(sets.end(), own.begin(), own.end());
    sets.push_back(range_.key + "=" + text_of(range_, value));
    workloads::Scenario scenario = workloads::load_scenario(file_, sets, shipped());
    scenario.deployment.routing.cache = traces_;
    ++runs_;
    return workloads::to_json(workloads::run(scenario), scenario);
  }

  bool asks_what_fits() const {
    const std::vector<std::string> keys = condition_.keys();
    return std::ranges::any_of(keys,
                               [](const std::string& k) { return k.ends_with("memory.fits"); });
  }

  std::filesystem::path file_;
  std::vector<std::string> sets_;
  std::vector<Variant> variants_;
  BreakEvenRange range_;
  Expression condition_;
  std::shared_ptr<const workloads::TraceCache> traces_;
  int runs_ = 0;
  std::map<double, AskedValue> asked_;
  std::map<double, std::string> too_large_, invalid_;
};

// ": it does not fit: needs …" of a value at which it does not.
std::string why_not(const Finder& finder, double value) {
  const auto found = finder.too_large().find(value);
  if (found == finder.too_large().end()) return {};
  return ", which does not fit" + (found->second.empty() ? "" : ": " + found->second);
}

// As the crossing is told: of whole numbers the first that holds, or the last.
std::string end_text(const BreakEvenRange& range, const Crossing& crossing, double value) {
  if (!range.whole) return text_of(range, value);
  return text_of(range, crossing.holds_after ? std::ceil(value) : std::floor(value));
}

// " (80 %: 540 Gbit/s to 730 Gbit/s)"
std::string range_text(const Finder& finder, const Crossing& crossing,
                       const std::optional<CrossingRange>& found) {
  if (!found) return {};
  const BreakEvenRange& range = finder.range();
  return fmt::format(
      " (80 %: {} to {})",
      found->low ? end_text(range, crossing, *found->low) : "below " + text_of(range, range.low),
      found->high ? end_text(range, crossing, *found->high)
                  : "above " + text_of(range, range.high));
}

// "  skipped as invalid: 3 values, such as 9: …"
std::string skipped_text(const Finder& finder) {
  if (finder.invalid().empty()) return {};
  const auto& [value, why] = *finder.invalid().begin();
  return fmt::format("  skipped as invalid: {} values, such as {}: {}\n", finder.invalid().size(),
                     text_of(finder.range(), value), why);
}

std::string to_text(const Finder& finder, const BreakEven& found) {
  const BreakEvenRange& range = finder.range();
  const auto at = [&](double value) { return text_of(range, value); };
  std::string text = fmt::format("{}, over {} from {} to {} ({} runs)\n", finder.condition().text(),
                                 range.key, at(range.low), at(range.high), finder.runs());
  if (found.crossings.empty()) {
    text += fmt::format("  holds at {} of {} values that were asked",
                        found.holds_at_low ? "all" : "none", finder.values());
    if (!finder.too_large().empty())
      text += fmt::format("; {} of them do not fit{}", finder.too_large().size(),
                          finder.too_large().begin()->second.empty()
                              ? ""
                              : ": " + finder.too_large().begin()->second);
    return text + "\n" + skipped_text(finder);
  }
  bool says_none = false;
  for (const Crossing& c : found.crossings) {
    const auto reckoned = finder.range_of(c);
    const bool by_fit = !(why_not(finder, c.before) + why_not(finder, c.after)).empty();
    says_none = says_none || (!by_fit && !reckoned);
    const std::string within = range_text(finder, c, reckoned);
    text += c.holds_after ? fmt::format("  holds from {} on{}: not yet at {}{}\n", at(c.after),
                                        within, at(c.before), why_not(finder, c.before))
                          : fmt::format("  holds up to {}{}: no more at {}{}\n", at(c.before),
                                        within, at(c.after), why_not(finder, c.after));
  }
  if (says_none)
    text += "  no interval: it is reckoned of conditions on times and rates of steps\n";
  return text + skipped_text(finder);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  Finder finder(arguments);
  const BreakEven found = finder.search(console);
  const sim::ExitCode code =
      finder.too_large().size() == finder.values() ? sim::ExitCode::Infeasible : sim::ExitCode::Ok;
  if (!arguments.json()) {
    console.out << to_text(finder, found);
    return code;
  }
  const BreakEvenRange& range = finder.range();
  Json json{{"schema_version", 1},
            {"condition", finder.condition().text()},
            {"key", range.key},
            {"from", text_of(range, range.low)},
            {"to", text_of(range, range.high)},
            {"holds_at_from", found.holds_at_low},
            {"holds_at_to", found.holds_at_high},
            {"values", finder.values()},
            {"runs", finder.runs()}};
  json["do_not_fit"] = Json::array();
  for (const auto& [value, advice] : finder.too_large())
    json["do_not_fit"].push_back({{"value", text_of(range, value)}, {"advice", advice}});
  json["invalid"] = Json::array();
  for (const auto& [value, why] : finder.invalid())
    json["invalid"].push_back({{"value", text_of(range, value)}, {"reason", why}});
  json["crossings"] = Json::array();
  for (const Crossing& c : found.crossings) {
    json["crossings"].push_back({{"before", text_of(range, c.before)},
                                 {"after", text_of(range, c.after)},
                                 {"holds_after", c.holds_after}});
    if (const auto within = finder.range_of(c)) {
      const auto end = [&](const std::optional<double>& value) {
        return value ? Json(end_text(finder.range(), c, *value)) : Json(nullptr);
      };
      json["crossings"].back()["interval"] = {{"p10", end(within->low)},
                                              {"p90", end(within->high)}};
    }
  }
  console.out << sim::io::to_text(json);
  return code;
}

}  // namespace

Command sweep_find_command() {
  return {
      .name = "sweep find",
      .summary = "where a condition begins or ceases to hold: a break-even",
      .description =
          "Asks at 17 values, even in the logarithm, and halves between two that differ, to 1 % or "
          "to the whole number. The condition names keys of the report (--format json) or, with "
          "variants, of each one's. It does not hold where something does not fit, unless it names "
          "memory.fits. Of conditions on step times and tokens a second of steps the 80 % interval "
          "of "
          "the crossing is said: what a cost model gets wrong it gets wrong in all variants and at "
          "all values, and between these times lie on a line of logarithms. Exit code 3 where "
          "nothing that was asked fits. Values that the scenario refuses are skipped, and said to "
          "be; of whole numbers the nearest that it takes is asked instead.",
      .options = {{.name = "SCENARIO",
                   .help = "a scenario: a YAML file, or the name of one that ships",
                   .required = true,
                   .is_file = true},
                  {.name = "CONDITION",
                   .help =
                       "step_time_us.mean < 20000, or A.step_time_us.mean < B.step_time_us.mean",
                   .required = true},
                  {.name = "--over",
                   .value = "KEY=LOW..HIGH",
                   .help = "what is varied: step.batch_per_rank=1..512",
                   .required = true},
                  {.name = "--variant",
                   .value = "NAME:KEY=VALUE",
                   .help = "one of those that the condition compares: A:parallelism.ep=16",
                   .repeated = true},
                  {.name = "--set",
                   .value = "KEY=VALUE",
                   .help = "replace a value of the scenario in all runs",
                   .repeated = true},
                  format_option()},
      .examples =
          {"moesim sweep find mixtral-8x7b-decode-h100 'step_time_us.mean < 20000' --over "
           "step.batch_per_rank=1..256 --set network=bound",
           "moesim sweep find SCENARIO 'A.step_time_us.mean < B.step_time_us.mean' --variant "
           "A:placement.experts=eplb --variant B:placement.experts=linear --over "
           "step.batch_per_rank=1..256"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
