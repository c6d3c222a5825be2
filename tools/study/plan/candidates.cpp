#include "tools/study/plan/candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "hardware/cluster.h"
#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/file_hashes.h"
#include "workloads/deployment/check.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/placement/model_layout.h"
#include "workloads/serving/read_question.h"
#include "workloads/training/read_question.h"

namespace moesim::tools {
namespace {

using sim::io::YamlDocument;
using workloads::Deployment;

std::string layout_yaml(const workloads::Parallelism& p) {
  std::string text = fmt::format("{{tp: {}", p.tp);
  if (p.pp > 1) text += fmt::format(", pp: {}", p.pp);
  if (p.cp > 1) text += fmt::format(", cp: {}", p.cp);
  text += fmt::format(", dp: {}, ep: {}, etp: {}}}", p.dp, p.ep, p.etp);
  return text;
}

// What is set in the plan's document, all but the engine.
void set_base(const PlanSpec& spec, const GpuChoice& gpu,
              const std::vector<std::pair<std::string, std::string>>& varied,
              YamlDocument& document) {
  constexpr const char* kWhere = "the plan";
  document.set("name", sim::io::Json(spec.title).dump(), kWhere);
  for (const auto& [key, value] : spec.base) document.set(key, value, kWhere);
  document.set("cluster", gpu.cluster, kWhere);
  if (spec.training) {
    document.set("training", spec.training->text, kWhere);
  } else if (!spec.steps) {
    document.set("serving.requests", spec.load_text, kWhere);
    document.set("serving.targets", spec.targets_text, kWhere);
    // How many follows from what is asked of an engine (measure.h).
    if (!spec.counts_requests) document.set("serving.requests.count", "1000", kWhere);
  }
  for (const auto& [key, value] : varied) document.set(key, value, kWhere);
}

// The cluster with so many nodes.
void resize(std::int64_t nodes, YamlDocument& document) {
  const auto cluster = document.root().at("cluster");
  if (cluster.is_map()) {
    document.set("cluster.nodes", std::to_string(nodes));
    return;
  }
  const std::string text = cluster.text();
  const std::size_t colon = text.find(':'), cross = text.rfind('x');
  if (colon != std::string::npos && cross != std::string::npos && cross > colon) {
    document.set("cluster", text.substr(0, colon + 1) + std::to_string(nodes) + text.substr(cross));
    return;
  }
  document.set("cluster", fmt::format("{{file: {}, nodes: {}}}", yaml_text(cluster), nodes));
}

std::string as_file(const YamlDocument& document, const std::string& comment) {
  std::string text = comment;
  for (const auto& [key, value] : document.root().entries()) {
    if (!value.is_map() || (key != "serving" && key != "training")) {
      text += fmt::format("{}: {}\n", key, yaml_text(value));
      continue;
    }
    text += key + ":\n";
    for (const auto& [name, part] : value.entries())
      text += fmt::format("  {}: {}\n", name, yaml_text(part));
  }
  return text;
}

// What is wrong with a run of training whatever its layout is: said before anything is searched.
void throw_problems(const Deployment& base, workloads::TrainingQuestion question) {
  question.schedule.reset();
  question.sharding_group.reset();  // of the ranks of a layout
  std::string all;
  for (const workloads::Problem& problem : workloads::check(base, question))
    all += fmt::format("{}the plan: {}: {}", all.empty() ? "" : "\n", problem.key, problem.text);
  if (!all.empty()) throw sim::ConfigError(all);
}

// A run of training reads prompts alone; engines of a service are planned with prompts and decodes.
void settle_phase(const PlanSpec& spec, workloads::TokenPhase& phase) {
  if (phase != workloads::TokenPhase::Own) return;
  if (!spec.training)
    throw sim::ConfigError(
        "the plan: routing: phase: own: engines hold prompts and generated tokens: any, prefill or "
        "decode would do");
  phase = workloads::TokenPhase::Prefill;
}

}  // namespace

PlanSetting::PlanSetting(const PlanSpec& spec, std::size_t gpu,
                         std::vector<std::pair<std::string, std::string>> varied,
                         const workloads::Shipped& shipped,
                         const std::shared_ptr<const workloads::TraceCache>& traces)
    : spec_(spec), gpu_(gpu), varied_(std::move(varied)) {
  YamlDocument document = YamlDocument::parse("{}", "the plan");
  set_base(spec, spec.gpus[gpu], varied_, document);
  base_ = workloads::read_deployment(document.root(), shipped, inputs_);
  inputs_.hashes = std::make_shared<sim::io::FileHashes>();
  document.throw_errors();
  reliability_ = hardware::with(hardware::reliability_of(inputs_.cluster, inputs_.cluster_changes),
                                spec.reliability, "the plan");
  set_failures(document);
  if (spec.training) {
    training_ = workloads::read_training_question(document.root().at("training"), base_);
    document.throw_errors();
    throw_problems(base_, *training_);
    workloads::training_host(base_.host);
    workloads::training_kernels(base_.kernels);
  } else if (!spec.steps) {
    // What is wrong with it is said before anything is searched.
    std::vector<std::string> ignored;
    (void)workloads::serving::read_question(document.root().at("serving"), base_, ignored);
    document.throw_errors();
  }
  settle_phase(spec, base_.routing.mapping.phase);
  base_.routing.cache = traces;
  power_ = hardware::chosen_power(base_.cluster.device.power, base_.power);
  read_ = std::move(document);
}

EngineTerms PlanSetting::terms(std::int64_t gpus,
                               const std::optional<hardware::PowerUse>& use) const {
  EngineTerms terms{.gpus = gpus,
                    .gpus_per_node = base_.cluster.gpus_per_node,
                    .price = spec_.gpus[gpu_].price,
                    .most = static_cast<std::int64_t>(base_.cluster.ranks())};
  if (spec_.training) terms.most_engines = 1;
  if (!power_) return terms;
  terms.idle_w = watts(power_->idle_w);
  terms.busy_w = use ? watts(hardware::power_of(*power_, *use)) : terms.idle_w;
  return terms;
}

double PlanSetting::watts(double of_card) const {
  return spec_.pue * (of_card + spec_.gpus[gpu_].host_w.value_or(0));
}

const hardware::Cluster& PlanSetting::cluster(std::int64_t nodes) const {
  if (nodes == base_.cluster.nodes) return base_.cluster;
  const auto found = clusters_.find(nodes);
  if (found != clusters_.end()) return found->second;
  auto changes = inputs_.cluster_changes;
  std::erase_if(changes, [](const auto& change) { return change.path == "nodes"; });
  changes.push_back({.path = "nodes", .value = std::to_string(nodes)});
  // Where the cluster's file names its device, that name was found already.
  std::erase_if(changes, [](const auto& change) { return change.path == "device"; });
  changes.push_back(
      {.path = "device",
       .value = std::filesystem::absolute(base_.cluster.device.files.front()).string()});
  return clusters_.emplace(nodes, hardware::load_cluster_with(inputs_.cluster, changes))
      .first->second;
}

Deployment PlanSetting::deployment(const EngineChoice& engine) const {
  return laid_out(engine);
}

const Deployment& PlanSetting::laid_out(const EngineChoice& engine) const {
  const std::int64_t node = base_.cluster.gpus_per_node;
  const std::int64_t nodes = (engine.gpus() + node - 1) / node;
  auto found = laid_out_.find(nodes);
  if (found == laid_out_.end()) {
    found = laid_out_.emplace(nodes, base_).first;
    found->second.cluster = cluster(nodes);
  }
  Deployment& d = found->second;
  d.layout = engine.layout;
  if (d.placement.file.empty()) d.placement.redundant = engine.redundant;
  d.overlap.two_batch = engine.two_batch;
  return d;
}

workloads::serving::ServingQuestion PlanSetting::question(const EngineChoice& engine) const {
  const Deployment& d = laid_out(engine);
  std::vector<std::string> ignored;
  const auto read = [&](const Deployment& of) {
    auto question = workloads::serving::read_question(read_->root().at("serving"), of, ignored);
    if (spec_.trace) question.requests = *spec_.trace;  // that has been read
    return question;
  };
  auto question = read(d);
  question.pool.replicas = engine.decoders;
  if (!engine.prefill) return question;
  // As read_question does of pools.
  using workloads::serving::SchedulerKind;
  using workloads::serving::TransferMode;
  question.pool.name = "decode";
  question.prefill =
      read(workloads::serving::deployment_of(d, {.layout = engine.prefill->layout})).pool;
  question.prefill->name = "prefill";
  question.prefill->replicas = engine.prefill->engines;
  question.transfer.mode = question.pool.scheduler.kind == SchedulerKind::Sglang
                               ? TransferMode::Push
                               : TransferMode::Pull;
  return question;
}

const workloads::TrainingQuestion& PlanSetting::training_question() const {
  SIM_CHECK(training_.has_value(), "a plan of training has a question of it");
  return *training_;
}

workloads::TrainingQuestion PlanSetting::training_question(const EngineChoice& engine) const {
  SIM_CHECK(engine.training.has_value(), "an engine of a plan of training is a choice of it");
  return with_choice(training_question(), *engine.training, engine.layout.pp, base_.model);
}

workloads::Scenario PlanSetting::training(const EngineChoice& engine) const {
  workloads::Scenario scenario;
  scenario.name = spec_.title;
  scenario.inputs = inputs_;
  scenario.deployment = deployment(engine);
  scenario.question = training_question(engine);
  return scenario;
}

std::string PlanSetting::name_of(const EngineChoice& engine) const {
  std::string text = short_name(engine.layout);
  if (engine.prefill) {
    text = fmt::format("prefill {} x {}, decode {} x {}", engine.prefill->engines,
                       short_name(engine.prefill->layout), engine.decoders, text);
  }
  if (engine.redundant > 0) text += fmt::format(", {} redundant experts", engine.redundant);
  if (engine.two_batch) text += ", two batches";
  if (engine.training) text += ", " + tools::name_of(*engine.training);
  return varied_.empty() ? text : text + ", " + varied_text();
}

std::string PlanSetting::varied_text() const {
  std::string text;
  for (const auto& [key, value] : varied_)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key.substr(key.rfind('.') + 1), value);
  return text.empty() ? "the first" : text;
}

void PlanSetting::set_failures(YamlDocument& document) const {
  if (!spec_.training || spec_.training->failures_told) return;
  document.set("training.run.failures",
               fmt::format("{{gpu_mtbf: {} h, restart: {} s}}", reliability_.gpu_hours,
                           reliability_.restart_h * 3600),
               "the plan");
}

YamlDocument PlanSetting::document(const EngineChoice& engine, std::int64_t gpus) const {
  YamlDocument document = YamlDocument::parse("{}", "the plan");
  set_base(spec_, spec_.gpus[gpu_], varied_, document);
  set_failures(document);
  const std::int64_t node = base_.cluster.gpus_per_node;
  resize((gpus + node - 1) / node, document);
  document.set("name", sim::io::Json(fmt::format("{}: {}", spec_.title, name_of(engine))).dump());
  document.set("parallelism", layout_yaml(engine.layout));
  if (engine.redundant > 0) document.set("placement.redundant", std::to_string(engine.redundant));
  if (engine.two_batch) document.set("overlap.two_batch", "true");
  return document;
}

std::string PlanSetting::scenario(const EngineChoice& engine, std::int64_t engines,
                                  const RequestCount& requests) const {
  YamlDocument d = document(engine, engines * engine.gpus());
  if (engine.prefill) {
    const auto pool = [](std::int64_t replicas, const workloads::Parallelism& layout) {
      return fmt::format("{{replicas: {}, parallelism: {}}}", replicas, layout_yaml(layout));
    };
    d.set("serving.pools.prefill", pool(engines * engine.prefill->engines, engine.prefill->layout));
    d.set("serving.pools.decode", pool(engines * engine.decoders, engine.layout));
  } else {
    d.set("serving.replicas", std::to_string(engines));
  }
  if (!spec_.counts_requests) {
    d.set("serving.requests.count", std::to_string(engines * requests.count));
    d.set("serving.requests.warm_up", std::to_string(engines * requests.warm_up));
  }
  if (!d.root().at("serving").find("iteration"))
    d.set("serving.iteration", "{draws: 4, checks: 16}");
  return as_file(
      d, fmt::format("# A plan's answer: {} {}{} of {} GPUs.\n", engines,
                     engine.prefill ? "group" : "engine", engines == 1 ? "" : "s", engine.gpus()));
}

std::string PlanSetting::scenario(const EngineChoice& engine, std::int64_t batch) const {
  YamlDocument d = document(engine, engine.layout.gpus());
  const StepLoad& steps = *spec_.steps;
  d.set("step", steps.decode
                    ? fmt::format("{{phase: decode, batch_per_rank: {}, context: {}, count: 4}}",
                                  batch, steps.length)
                    : fmt::format("{{phase: prefill, tokens_per_rank: {}, prompt: {}, count: 4}}",
                                  batch, steps.length));
  return as_file(d, "# A plan's answer: one of its engines, at its largest batch.\n");
}

std::string PlanSetting::scenario(const EngineChoice& engine) const {
  YamlDocument d = document(engine, engine.gpus());
  for (const auto& [key, value] : keys_of(*engine.training, base_.model)) d.set(key, value);
  return as_file(d,
                 fmt::format("# A plan's answer: a run of training on {} GPUs.\n", engine.gpus()));
}

std::optional<Rejection> refuse(const Deployment& d) {
  const auto first = [](const char* code,
                        const std::vector<std::string>& problems) -> std::optional<Rejection> {
    if (problems.empty()) return {};
    return Rejection{code, problems.front()};
  };
  if (std::string wrong = workloads::check_layout(d.layout); !wrong.empty())
    return Rejection{"layout", std::move(wrong)};
  if (auto found = first("divides", workloads::layout_problems(d.model, d.layout))) return found;
  if (auto found =
          first("engine", workloads::rule_problems(d.engine, d.model, d.layout, d.formats)))
    return found;
  const auto problems = workloads::check(d);
  if (problems.empty()) return {};
  return Rejection{"layout", problems.front().key + ": " + problems.front().text};
}

}  // namespace moesim::tools
