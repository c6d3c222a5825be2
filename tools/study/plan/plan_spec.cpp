#include "tools/study/plan/plan_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/io/json.h"
#include "sim/io/yaml_share.h"
#include "tools/study/plan/read_training_goal.h"
#include "workloads/deployment/read.h"
#include "workloads/serving/read_requests.h"

namespace moesim::tools {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMostGpusOfPlan = 4096;
// What an estimate of a run leaves out is draws of the routing and what exchanges wait for.
constexpr double kTrainingMargin = 0.05;
constexpr double kLeastRate = 1e-9, kMostRate = 1e12;

bool is_plain(const std::string& text) {
  if (text.empty() || !std::isalnum(static_cast<unsigned char>(text.front()))) {
    if (text.empty() || text.front() != '/') return false;
  }
  return text.back() != ' ' && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) ||
                  std::string_view(" ._/+-").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

// "24 /s"
double read_rate(const YamlNode& node) {
  if (node.is_missing()) return 1;
  const std::string text = node.text();
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc{} || (rest != " /s" && rest != "/s") || !(rate >= kLeastRate) ||
      rate > kMostRate) {
    node.error(fmt::format("expected a rate such as 24 /s, not \"{}\"", text));
    return 1;
  }
  return rate;
}

// "2.60 USD/h": the amount; the currency must be that of all others.
double read_price(const YamlNode& node, std::string& currency) {
  const std::string text = node.text();
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  std::string rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest.starts_with(' ')) rest.erase(0, 1);
  const bool whole = rest.size() > 2 && rest.ends_with("/h");
  if (error != std::errc{} || !whole || !(amount > 0) || amount > 1e9) {
    node.error(fmt::format("expected a price such as 2.60 USD/h, not \"{}\"", text));
    return 0;
  }
  rest.resize(rest.size() - 2);
  if (currency.empty()) currency = rest;
  if (currency != rest)
    node.error(fmt::format("is in {}, and another price in {}: say all in one", rest, currency));
  return amount;
}

// "350 W", "250 kW", "1.2 MW": watts.
double read_watts(const YamlNode& node) {
  const std::string text = node.text();
  double amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double unit = rest == " W" ? 1 : rest == " kW" ? 1e3 : rest == " MW" ? 1e6 : 0;
  if (error != std::errc{} || unit == 0 || !(amount >= 0) || amount > 1e9) {
    node.error(fmt::format("expected a power such as 350 W or 250 kW, not \"{}\"", text));
    return 0;
  }
  return amount * unit;
}

void read_space(const YamlNode& node, bool trains, PlanSpace& space) {
  std::vector<std::string_view> keys{"tp", "pp", "cp", "etp", "ep"};
  if (trains)
    keys.insert(keys.end(), kTrainingSpaceKeys.begin(), kTrainingSpaceKeys.end());
  else
    keys.insert(keys.end(), {"redundant", "two_batch", "pools"});
  node.allow_only(keys);
  if (trains) read_training_space(node, space.training);
  if (const auto tp = node.find("tp")) space.layouts.tp = integers(*tp, 1, 1024);
  if (const auto pp = node.find("pp")) space.layouts.pp = integers(*pp, 1, 1024);
  if (const auto cp = node.find("cp")) space.layouts.cp = integers(*cp, 1, 1024);
  if (const auto etp = node.find("etp")) {
    space.layouts.etp_one = space.layouts.etp_tp = false;
    for (const YamlNode& item : etp->items())
      (item.one_of({"1", "tp"}) == 0 ? space.layouts.etp_one : space.layouts.etp_tp) = true;
  }
  if (const auto ep = node.find("ep")) {
    if (ep->is_scalar())
      (void)ep->one_of({"any"});
    else
      space.layouts.ep = integers(*ep, 1, kMostGpusOfPlan);
  }
  if (const auto redundant = node.find("redundant"))
    space.redundant = integers(*redundant, 0, 1 << 20);
  if (const auto two = node.find("two_batch")) {
    space.two_batch.clear();
    for (const YamlNode& item : two->items()) {
      const bool value = item.boolean();
      if (std::ranges::find(space.two_batch, value) == space.two_batch.end())
        space.two_batch.push_back(value);
    }
    if (space.two_batch.empty()) two->error("expected at least one");
  }
  if (const auto pools = node.find("pools")) {
    space.together = space.apart = false;
    for (const YamlNode& item : pools->items())
      (item.one_of({"together", "apart"}) == 0 ? space.together : space.apart) = true;
    if (!space.together && !space.apart) pools->error("expected together, apart or both");
  }
}

void read_load(const YamlNode& node, PlanSpec& spec) {
  if (node.is_missing()) return;
  if (const auto phase = node.find("phase")) {
    StepLoad steps{.decode = phase->one_of({"decode", "prefill"}) == 0};
    const char* length = steps.decode ? "context" : "prompt";
    node.allow_only({"phase", length, "rate"});
    steps.length = node.at(length).integer(1, std::int64_t{1} << 26);
    spec.demand.rate = read_rate(node.at("rate"));
    spec.steps = steps;
    return;
  }
  if (node.find("trace")) {
    workloads::serving::ServingQuestion load;
    workloads::serving::read_requests(node, load);
    spec.trace = std::get<workloads::serving::RequestTrace>(load.requests);
    spec.counts_requests = true;  // those of the trace
    spec.load_text = yaml_text(node);
    return;
  }
  const YamlNode arrivals = node.at("arrivals");
  if (arrivals.is_missing()) return;
  spec.demand.rate = read_rate(arrivals.at("rate"));
  spec.counts_requests = node.find("count").has_value();
  if (const auto until = node.find("for"); until && !spec.counts_requests)
    until->error("expected count: a plan asks several rates, of as many requests");
  spec.load_text = yaml_text(node);
}

void read_targets(const YamlNode& node, PlanSpec& spec) {
  if (node.is_missing()) return;
  using workloads::serving::kTimeOfNames;
  spec.targets = workloads::serving::read_targets(node, {"confidence"});
  for (const std::string_view name : kTimeOfNames) {
    const auto found = node.find(name);
    if (found) spec.targets_text += fmt::format("{}: {}, ", name, yaml_text(*found));
    if (found && found->is_scalar() && found->duration() <= sim::Duration{})
      found->error("expected a time above 0");
  }
  spec.targets_text = fmt::format("{{{}attained: {}}}", spec.targets_text, spec.targets.attained);
  if (const auto confidence = node.find("confidence"))
    spec.demand.confidence = sim::io::share_of(*confidence, 0.5, 0.999);
  if (!spec.steps) return;
  const bool decode = spec.steps->decode;
  const workloads::serving::Targets& t = spec.targets;
  const bool right = decode ? t.tpot && !t.ttft : t.ttft && !t.tpot;
  if (!right || t.e2el || !t.statistics.empty())
    node.error(decode ? "steps that decode have a tpot, and nothing else"
                      : "steps that read prompts have a ttft, and nothing else");
}

void read_gpus(const YamlNode& node, PlanSpec& spec) {
  for (const YamlNode& item : node.items()) {
    GpuChoice gpu;
    if (item.is_scalar()) {
      gpu.cluster = yaml_text(item);
    } else {
      item.allow_only({"cluster", "price", "host"});
      gpu.cluster = yaml_text(item.at("cluster"));
      if (const auto price = item.find("price")) gpu.price = read_price(*price, spec.currency);
      if (const auto host = item.find("host")) gpu.host_w = read_watts(*host);
    }
    spec.gpus.push_back(std::move(gpu));
  }
  if (node.is_list() && spec.gpus.empty()) node.error("expected at least one kind of GPU");
}

void read_limits(const YamlNode& node, PlanSpec& spec) {
  node.allow_only({"gpus", "cost", "power"});
  if (const auto gpus = node.find("gpus"))
    spec.demand.limits.gpus = gpus->integer(1, kMostGpusOfPlan);
  if (const auto cost = node.find("cost")) {
    if (spec.currency.empty())
      cost->error(
          "no kind of GPU has a price: give gpus: [{cluster: …, price: "
          "2.60 USD/h}]");
    else
      spec.demand.limits.cost = read_price(*cost, spec.currency);
  }
  if (const auto power = node.find("power")) spec.demand.limits.power = read_watts(*power);
}

void read_spare(const YamlNode& node, PlanSpec& spec) {
  node.allow_only({"nodes", "gpus"});
  const auto nodes = node.find("nodes"), gpus = node.find("gpus");
  if (nodes.has_value() == gpus.has_value()) {
    node.error("expected nodes: 1 or gpus: 1");
    return;
  }
  const YamlNode& found = nodes ? *nodes : *gpus;
  if (found.integer(0, 1) == 1) spec.demand.spare = nodes ? Spare::Node : Spare::Gpu;
}

void read_vary(const YamlNode& node, PlanSpec& spec) {
  constexpr std::string_view kTraining = "training.";
  for (const auto& [key, value] : node.entries()) {
    Axis axis{.key = key};
    if (key.starts_with("parallelism") || key.starts_with("cluster") ||
        key == "placement.redundant" || key == "overlap.two_batch" ||
        (key.starts_with(kTraining) &&
         std::ranges::find(kTrainingSpaceKeys, std::string_view(key).substr(kTraining.size())) !=
             kTrainingSpaceKeys.end())) {
      value.error("is searched: say it under space, or gpus");
    }
    if (value.is_list()) {
      for (const YamlNode& item : value.items()) axis.values.push_back(yaml_text(item));
    } else {
      axis.values.push_back(yaml_text(value));
    }
    if (axis.values.empty()) value.error("expected at least one value");
    spec.vary.push_back(std::move(axis));
  }
}

void read_search(const YamlNode& node, PlanSpec& spec) {
  node.allow_only({"keep", "margin", "finalists", "exhaustive"});
  if (const auto keep = node.find("keep")) spec.keep = keep->integer(0, 1'000'000);
  if (const auto margin = node.find("margin")) spec.margin = sim::io::share_of(*margin, 0.001, 4);
  if (const auto found = node.find("finalists")) spec.finalists = found->integer(1, 1000);
  if (const auto exhaustive = node.find("exhaustive")) spec.exhaustive = exhaustive->boolean();
}

bool is_searched(std::string_view key) {
  return key == "cluster" || key == "parallelism";
}

}  // namespace

std::vector<std::int64_t> integers(const YamlNode& node, std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> values;
  for (const YamlNode& item : node.items()) values.push_back(item.integer(least, most));
  if (node.is_list() && values.empty()) node.error("expected at least one");
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::string yaml_text(const YamlNode& node) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries())
      add((is_plain(key) ? key : sim::io::Json(key).dump()) + ": " + yaml_text(value));
    return "{" + text + "}";
  }
  if (node.is_list()) {
    for (const YamlNode& item : node.items()) add(yaml_text(item));
    return "[" + text + "]";
  }
  if (!node.is_scalar()) return "null";
  text = node.text();
  std::error_code error;
  if (std::filesystem::is_regular_file(node.file(), error) ||
      std::filesystem::exists(node.file() / "config.json", error))
    text = std::filesystem::absolute(node.file(), error).lexically_normal().string();
  return is_plain(text) ? text : sim::io::Json(text).dump();
}

PlanSpec read_plan(const YamlNode& root) {
  std::vector<std::string_view> keys{"name",    "load", "targets",     "gpus",    "limits",
                                     "space",   "vary", "objective",   "spare",   "search",
                                     "serving", "pue",  "reliability", "training"};
  for (const std::string_view key : workloads::deployment_keys())
    if (!is_searched(key)) keys.push_back(key);
  root.allow_only(keys);
  PlanSpec spec;
  (void)root.at("model");
  for (const std::string_view key : workloads::deployment_keys()) {
    if (is_searched(key)) continue;
    if (const auto value = root.find(key)) spec.base.emplace_back(key, yaml_text(*value));
  }
  if (!root.find("network")) spec.base.emplace_back("network", "bound");
  const auto name = root.find("name");
  spec.title = name ? name->text() : root.at("model").text();
  if (const auto node = root.find("reliability"))
    spec.reliability = hardware::read_reliability(*node);
  const bool trains = root.find("training").has_value();
  if (trains) {
    read_training_goal(root, spec);
    spec.space.layouts.pp = {1, 2, 4, 8, 16};
    spec.margin = kTrainingMargin;
  } else {
    read_load(root.at("load"), spec);
    read_targets(root.at("targets"), spec);
  }
  read_gpus(root.at("gpus"), spec);
  spec.demand.limits.gpus = 64;
  if (const auto limits = root.find("limits")) read_limits(*limits, spec);
  if (const auto space = root.find("space")) read_space(*space, trains, spec.space);
  if (const auto vary = root.find("vary")) read_vary(*vary, spec);
  const bool priced =
      std::ranges::all_of(spec.gpus, [](const GpuChoice& g) { return g.price > 0; });
  spec.demand.objective = priced ? Objective::Cost : Objective::Gpus;
  if (const auto objective = root.find("objective")) {
    spec.demand.objective = static_cast<Objective>(objective->one_of(kObjectiveNames));
    if (spec.demand.objective == Objective::Cost && !priced)
      objective->error(
          "not every kind of GPU has a price: give gpus: "
          "[{cluster: …, price: 2.60 USD/h}]");
  }
  if (const auto pue = root.find("pue")) spec.pue = pue->number(1, 10);
  if (const auto power = root.find("power")) {
    if (const auto host = power->find("host"))
      host->error("is of a kind of GPU: say gpus: [{cluster: …, host: 350 W}]");
    if (const auto own = power->find("pue")) own->error("is the plan's: say pue: 1.2");
  }
  if (const auto spare = root.find("spare"); spare && !trains) read_spare(*spare, spec);
  if (const auto search = root.find("search")) read_search(*search, spec);
  if (const auto serving = root.find("serving"); serving && !trains) {
    serving->allow_only(
        {"client", "scheduler", "graphs", "kv", "speculation", "router", "iteration"});
    if (spec.steps) serving->error("steps are planned: leave out serving");
    for (const char* own : {"scheduler", "graphs", "kv", "router"}) {
      if (const auto found = serving->find(own); found && spec.space.apart)
        found->error("is of one pool: a plan of pools apart takes the engine's");
    }
    spec.base.emplace_back("serving", yaml_text(*serving));
  }
  root.throw_errors();
  if (!spec.trace) return spec;
  workloads::serving::read_facts(*spec.trace);
  spec.demand.rate = spec.trace->pace();
  if (spec.demand.rate < kLeastRate) {
    root.at("load").at("trace").error(
        "a plan is for a rate, and all of its requests come at once: expected arrivals: {law: "
        "poisson, rate: 24 /s}, and the lengths of the trace as tables");
    root.throw_errors();
  }
  return spec;
}

}  // namespace moesim::tools
