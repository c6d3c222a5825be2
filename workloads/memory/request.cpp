#include "workloads/memory/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/deployment/load_part.h"
#include "workloads/deployment/read.h"
#include "workloads/deployment/read_formats.h"
#include "workloads/deployment/read_kernels.h"
#include "workloads/memory/model_card.h"
#include "workloads/memory/most_bytes.h"
#include "workloads/memory/recompute_problems.h"
#include "workloads/placement/model_layout.h"

namespace moesim::workloads {

using hardware::Precision;
using sim::io::Json;
using sim::io::YamlNode;

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;

std::int64_t integer(const YamlNode& node, std::string_view key, std::int64_t fallback,
                     std::int64_t least = 1, std::int64_t most = kMost) {
  const auto value = node.find(key);
  return value ? value->integer(least, most) : fallback;
}

Precision precision(const YamlNode& node, std::string_view key, Precision fallback) {
  const auto value = node.find(key);
  if (!value) return fallback;
  const std::size_t place =
      value->one_of(std::span<const std::string_view>(hardware::kPrecisionNames));
  return place < hardware::kPrecisions.size() ? hardware::kPrecisions[place] : fallback;
}

Parallelism read_layout(const YamlNode& node, const ModelSpec& model) {
  Parallelism p = read_parallelism(node, model.is_moe());
  // A size that is none was told already.
  if (std::min({p.tp, p.pp, p.dp, p.ep, p.etp, p.cp}) < 1) return {};
  const std::string wrong = check_layout(p);
  if (!wrong.empty()) node.error(wrong);
  return p;
}

// What no engine can start, at the layout.
void check_division(const YamlNode& node, const MemoryRequest& request) {
  if (const std::int64_t pp = request.parallelism.pp, most = request.model.layer_count(); pp > most)
    node.error(fmt::format("pp = {} stages for {} layers", pp, most));
  for (const std::string& problem : layout_problems(request.model, request.parallelism)) {
    node.error(problem);
  }
  if (request.engine) {
    for (const std::string& problem : rule_problems(*request.engine, request.model,
                                                    request.parallelism, request.options.formats)) {
      node.error(problem);
    }
  }
  for (const std::int64_t layer : request.model.moe_layers()) {
    const std::string problem = slots_problem(
        request.model.moe(layer)->experts, request.trains ? 0 : request.options.redundant_experts,
        request.parallelism.ep);
    if (problem.empty()) continue;
    node.error(problem);
    return;
  }
}

Recompute read_recompute(const YamlNode& list) {
  Recompute recompute;
  for (const YamlNode& item : list.items()) {
    switch (item.one_of({"full", "mla_up_proj", "moe", "moe_act", "mlp", "layernorm"})) {
      case 0:
        recompute.full = true;
        break;
      case 1:
        recompute.mla_up_proj = true;
        break;
      case 2:
        recompute.moe = true;
        break;
      case 3:
        recompute.moe_act = true;
        break;
      case 4:
        recompute.mlp = true;
        break;
      default:
        recompute.layernorm = true;
    }
  }
  return recompute;
}

TrainingLoad read_training(const YamlNode& node, const ModelSpec& model,
                           const Parallelism& layout) {
  node.allow_only({"micro_batch", "sequence", "microbatches", "schedule", "virtual_stages",
                   "sharding", "sharding_group", "recompute", "weight_bytes", "gradient_bytes",
                   "optimizer_bytes", "imbalance", "trainer"});
  TrainingLoad load;
  if (const auto v = node.find("trainer")) {
    load.trainer = static_cast<Trainer>(v->one_of(kTrainerNames));
    const StateBytes each = state_bytes_of(load.trainer);
    load.weight_bytes = each.weight;
    load.gradient_bytes = each.gradient;
    load.optimizer_bytes = each.optimizer;
  }
  load.micro_batch = integer(node, "micro_batch", 1);
  load.sequence = integer(node, "sequence", 4096);
  load.microbatches = integer(node, "microbatches", 1);
  load.virtual_stages = integer(node, "virtual_stages", 1, 1, 1024);
  if (const auto v = node.find("schedule")) {
    static constexpr std::array kinds{Schedule::GPipe, Schedule::OneForwardOneBackward,
                                      Schedule::Interleaved, Schedule::DualPipe};
    load.schedule = kinds[v->one_of({"gpipe", "1f1b", "interleaved", "dualpipe"})];
  }
  const bool interleaved = load.schedule == Schedule::Interleaved;
  if (const auto v = node.find("virtual_stages"); v && !interleaved && load.virtual_stages > 1)
    v->error("is of schedule: interleaved: leave it out");
  if (interleaved && load.virtual_stages < 2)
    node.at("schedule").error("interleaved needs virtual_stages: 2 or more");
  if (const auto v = node.find("sharding")) {
    static constexpr std::array kinds{Sharding::None, Sharding::Optimizer, Sharding::Gradients,
                                      Sharding::Weights};
    load.sharding = kinds[v->one_of({"none", "optimizer", "gradients", "weights"})];
  }
  if (const auto v = node.find("sharding_group")) {
    const std::int64_t sharers = layout.dp * layout.cp;
    load.sharding_group = v->integer(1, kMost);
    if (load.sharding_group > 0 && sharers % load.sharding_group != 0)
      v->error(fmt::format("{} does not divide dp x cp = {} ranks", load.sharding_group, sharers));
  }
  if (const auto v = node.find("recompute")) {
    load.recompute = read_recompute(*v);
    for (const std::string& problem : recompute_problems(model, load.recompute)) v->error(problem);
  }
  if (const auto v = node.find("weight_bytes")) load.weight_bytes = v->number(0, 64);
  if (const auto v = node.find("gradient_bytes")) load.gradient_bytes = v->number(0, 64);
  if (const auto v = node.find("optimizer_bytes")) load.optimizer_bytes = v->number(0, 64);
  if (const auto v = node.find("imbalance")) load.imbalance = v->number(0, 1e6);
  return load;
}

HeldWhole read_whole(const YamlNode& list) {
  HeldWhole whole;
  bool* const parts[] = {&whole.attention, &whole.dense_ffn, &whole.shared_experts,
                         &whole.embedding};
  for (const YamlNode& item : list.items()) {
    *parts[item.one_of({"attention", "dense_ffn", "shared_experts", "embedding"})] = true;
  }
  return whole;
}

// What only an engine is asked.
void read_engine_question(const YamlNode& node, MemoryRequest& request) {
  for (const char* key : {"fraction", "weights_loaded"}) {
    const auto found = node.find(key);
    if (found && !request.engine) found->error("is asked of an engine: give engine: vllm, say");
  }
  if (!request.engine) return;
  EngineQuestion& asked = request.asked;
  if (const auto v = node.find("fraction")) {
    asked.fraction = v->number(0, 1);
    if (*asked.fraction == 0) v->error("expected a fraction above 0, such as 0.9");
  }
  if (const auto v = node.find("weights_loaded")) {
    asked.weights_loaded = v->bytes();
    if (asked.weights_loaded->count() == 0)
      v->error("expected what a GPU loads, such as 14.96 GiB");
  }
  if (node.find("step_tokens")) asked.step_tokens = request.serving.step_tokens;
  if (node.find("sequences")) {
    asked.sequences = std::max<std::int64_t>(request.serving.sequences, 1);
  }
  asked.context = request.serving.context;
  const std::int64_t most = request.model.max_context;
  if (const auto context = node.find("context"); context && most > 0 && asked.context > most) {
    context->error(fmt::format("{} takes {} tokens at most, and {} starts with no more",
                               request.model.name, most, request.engine->name));
  }
}

void read_serving(const YamlNode& node, MemoryRequest& request) {
  node.allow_only({"weights", "kv_cache", "activations", "dispatch", "sequences", "context",
                   "step_tokens", "logits", "expert_rows", "redundant", "page_tokens", "prediction",
                   "all_to_all", "whole", "fraction", "weights_loaded"});
  ServingOptions& options = request.options;
  if (node.find("weights")) {
    const Formats before = options.formats;
    options.formats =
        precision_of_weights(request.model, precision(node, "weights", Precision::BF16));
    options.formats.kv_cache = before.kv_cache;
    options.formats.activations = before.activations;
    options.formats.dispatch = before.dispatch;
  }
  options.formats.kv_cache = precision(node, "kv_cache", options.formats.kv_cache);
  options.formats.activations = precision(node, "activations", options.formats.activations);
  options.formats.dispatch = precision(node, "dispatch", options.formats.dispatch);
  if (const auto v = node.find("whole")) options.whole = read_whole(*v);
  options.redundant_experts = integer(node, "redundant", 0, 0);
  options.page_tokens = integer(node, "page_tokens", 64);
  if (const auto v = node.find("prediction")) options.prediction = v->boolean();
  if (const auto v = node.find("all_to_all")) {
    const std::string_view name = read_exchange(*v, hardware::multicast_names());
    options.communication.multicast =
        hardware::parse_multicast(name).value_or(hardware::MulticastAlgorithm::Nccl);
  }
  ServingLoad& load = request.serving;
  load.sequences = integer(node, "sequences", 1, 0);
  load.context = integer(node, "context", 0, 0);
  load.step_tokens = integer(node, "step_tokens", std::max<std::int64_t>(load.sequences, 1));
  load.logits = integer(node, "logits", std::max<std::int64_t>(load.sequences, 1));
  if (const auto v = node.find("expert_rows")) load.expert_rows = v->integer(0, kMost);
  read_engine_question(node, request);
}

void read_engine(const YamlNode& node, const Shipped& shipped, MemoryRequest& request) {
  const std::filesystem::path file = shipped_file(node, "engines", shipped);
  if (file.empty()) return;
  request.engine = load_part<std::optional<Engine>>(node, file, load_engine);
  if (request.engine && !request.engine->memory) {
    node.error(fmt::format("{} does not say what memory it takes (its file has no memory:)",
                           request.engine->name));
    request.engine.reset();
  }
}

// Tokens that the engine's options say: those asked for or, where the model's own have no room, the
// most that have.
std::int64_t context_of(const MemoryRequest& r, const EngineMemoryAnswer& a) {
  if (r.asked.context > 0) return r.asked.context;
  return a.largest_context < r.model.max_context ? a.largest_context : 0;
}

Json engine_json(const MemoryRequest& r, const EngineMemoryAnswer& a) {
  const Engine& engine = *r.engine;
  Json json{
      {"name", engine.name},
      {"starts", a.starts},
      {"fraction", a.fraction},
      {"budget_bytes", a.budget},
      {"for_cache_bytes", a.for_cache},
      {"cache_tokens", a.cache_tokens},
      {"block_tokens", a.block},
      {"step_tokens", a.step_tokens},
      {"sequences", a.sequences},
      {"context", r.asked.context},
      {"largest_context", a.largest_context},
      {"largest_batch_per_dp_rank", a.largest_batch},
      {"least_fraction", a.least_fraction ? Json(*a.least_fraction) : Json()},
      {"engines", engines_of(r.parallelism)},
      {"flags", flags_of(engine, r.parallelism, a, context_of(r, a), r.options.formats.kv_cache)},
      {"log", log_line(engine, a)}};
  if (!a.starts) json["why"] = a.why;
  return json;
}

Json stage(const GpuMemory& m) {
  return Json{{"weights_bytes", m.weights()},
              {"attention_bytes", m.attention},
              {"dense_ffn_bytes", m.dense_ffn},
              {"experts_bytes", m.experts},
              {"shared_experts_bytes", m.shared_experts},
              {"embedding_bytes", m.embedding},
              {"other_weights_bytes", m.other_weights},
              {"kv_cache_bytes", m.kv_cache},
              {"activations_bytes", m.activations},
              {"buffers_bytes", m.buffers},
              {"graphs_bytes", m.graphs},
              {"context_bytes", m.context},
              {"allocated_bytes", m.weights() + m.kv_cache + m.activations},
              {"peak_bytes", m.peak()}};
}

Json stage(const TrainingMemory& m) {
  Json json{
      {"weights_bytes", m.weights},         {"gradients_bytes", m.gradients},
      {"optimizer_bytes", m.optimizer},     {"activations_bytes", m.activations},
      {"temporaries_bytes", m.temporaries}, {"buffers_bytes", m.buffers},
      {"context_bytes", m.context},         {"microbatches_in_flight", m.microbatches_in_flight},
      {"allocated_bytes", m.allocated()},   {"peak_bytes", m.peak()}};
  if (m.fragmented > 0) json["fragmented_bytes"] = m.fragmented;
  return json;
}

template <class Plan>
Json plan_json(const Plan& plan) {
  Json json = Json::object();
  json["memory"] = stage(plan.gpu());
  json["memory"]["capacity_bytes"] = plan.capacity;
  json["memory"]["headroom_bytes"] = plan.headroom();
  json["memory"]["fits"] = plan.fits();
  json["fullest_stage"] = plan.fullest;
  json["stages"] = Json::array();
  for (const auto& one : plan.stages) json["stages"].push_back(stage(one));
  return json;
}

// What is known of the model, of blocks that the layout cuts, and of what an engine's options lack.
std::vector<std::string> notes_of(const MemoryRequest& r) {
  std::vector<std::string> notes = r.model.notes;
  for (std::string& note :
       block_notes(r.engine.value_or(Engine{}), r.model, r.parallelism, r.options.formats)) {
    notes.push_back(std::move(note));
  }
  if (r.engine && r.parallelism.cp > 1) {
    notes.push_back(
        fmt::format("{}'s file has no option for cp = {}: the options are those of cp = 1",
                    r.engine->name, r.parallelism.cp));
  }
  return notes;
}

// The engine's own memory: the fullest stage, whose cache is what is for it.
Json answer_engine(const MemoryRequest& r) {
  const EngineMemoryAnswer a =
      ask_engine(*r.engine, r.model, r.parallelism, r.options, r.asked, r.device);
  Json json = Json::object();
  json["memory"] = stage(a.gpu);
  json["memory"]["capacity_bytes"] = r.device.memory.count();
  json["memory"]["headroom_bytes"] = r.device.memory.count() - a.gpu.peak();
  json["memory"]["fits"] = a.starts;
  json["engine"] = engine_json(r, a);
  json["notes"] = notes_of(r);
  return json;
}

}  // namespace

MemoryRequest read_memory_request(const YamlNode& node, const Shipped& shipped) {
  if (node.find("model_type") || node.find("architectures")) {
    node.error(
        "is a model, which `moesim card` tells of; a question of memory names one: {model: FILE, "
        "device: h200, serving: {context: 4096}}");
    return {};
  }
  if (node.find("cluster")) {
    node.error(
        "is a scenario, whose memory `moesim run` reports; a question of memory has model, device, "
        "parallelism, and serving or training");
    return {};
  }
  node.allow_only({"model", "keep_layers", "vocab", "device", "parallelism", "training", "serving",
                   "engine", "precision"});
  MemoryRequest request;
  const YamlNode model = node.at("model"), device = node.at("device");
  if (model.is_missing() || device.is_missing()) return request;
  const std::filesystem::path model_file = shipped_file(model, "models", shipped),
                              device_file = shipped_file(device, "devices", shipped);
  if (model_file.empty() || device_file.empty()) return request;
  request.model = load_part<ModelSpec>(model, model_file, load_model);
  request.device = load_part<hardware::Device>(
      device, device_file, [](const auto& file) { return hardware::load_device(file); });
  if (request.model.layers.empty()) return request;
  if (const auto keep = node.find("keep_layers")) {
    const std::vector<std::int64_t> layers = read_kept_layers(*keep, request.model);
    if (!layers.empty()) request.model = keep_layers(request.model, layers);
  }
  request.model.vocab = integer(node, "vocab", request.model.vocab, 1, std::int64_t{1} << 24);
  const auto layout = node.find("parallelism");
  if (layout) request.parallelism = read_layout(*layout, request.model);
  const auto training = node.find("training"), serving = node.find("serving");
  request.options.formats = request.model.stored;
  request.options.formats.activations = request.options.formats.dispatch = Precision::BF16;
  for (const char* key : {"engine", "precision"}) {
    const auto found = node.find(key);
    if (found && !serving) found->error("is of serving: what training keeps has its own keys");
  }
  if (const auto precision = node.find("precision"); precision && serving) {
    request.options.formats = read_formats(precision, request.model);
    if (!precision->find("activations")) request.options.formats.activations = Precision::BF16;
    if (!precision->find("dispatch")) request.options.formats.dispatch = Precision::BF16;
    for (const char* key : {"weights", "kv_cache", "activations", "dispatch"}) {
      const auto twice = serving->find(key);
      if (twice) twice->error("is said by precision: leave out one of the two");
    }
  }
  if (const auto engine = node.find("engine"); engine && serving) {
    read_engine(*engine, shipped, request);
  }
  if (training.has_value() == serving.has_value()) {
    node.error("expected exactly one of training and serving");
  } else if (training) {
    request.trains = true;
    request.training = read_training(*training, request.model, request.parallelism);
  } else {
    read_serving(*serving, request);
  }
  if (layout && check_layout(request.parallelism).empty()) check_division(*layout, request);
  return request;
}

Json answer(const MemoryRequest& r) {
  const std::string wrong = check_layout(r.parallelism);
  if (!wrong.empty() || r.model.layers.empty()) {
    throw sim::ConfigError("memory: " + (wrong.empty() ? "no model was read" : wrong));
  }
  if (r.trains) {
    const TrainingPlan plan = plan_training(r.model, r.parallelism, r.training, r.device);
    Json json = plan_json(plan);
    if (r.training.sharding != Sharding::Weights && r.training.weight_bytes > 0) {
      const TrainingMemory& gpu = plan.gpu();
      const double params = static_cast<double>(gpu.weights) / r.training.weight_bytes;
      json["memory"]["state_bytes_per_parameter"] =
          static_cast<double>(gpu.weights + gpu.gradients + gpu.optimizer) / params;
    }
    json["notes"] = r.model.notes;
    return json;
  }
  if (r.engine) return answer_engine(r);
  const MemoryPlan plan = plan_serving(r.model, r.parallelism, r.options, r.serving, r.device);
  if (plan.gpu().peak() >= kMostBytesOfAPart) {
    throw sim::ConfigError(
        "memory: a GPU would hold more than an exabyte: fewer sequences, a shorter context or "
        "fewer "
        "tokens a step would do");
  }
  Json json = plan_json(plan);
  std::vector<std::string> notes = notes_of(r);
  if (const std::int64_t most = r.model.max_context; most > 0 && r.serving.context > most) {
    notes.push_back(fmt::format(
        "{} takes {} tokens at most: {} are a cache's capacity, not a sequence's length",
        r.model.name, most, r.serving.context));
  }
  json["notes"] = std::move(notes);
  json["largest_batch_per_dp_rank"] =
      largest_batch(r.model, r.parallelism, r.options, r.serving, r.device);
  json["largest_context"] = largest_context(r.model, r.parallelism, r.options, r.serving, r.device);
  return json;
}

Json answer(const TrainingPlan& plan) {
  return plan_json(plan);
}

Json answer_card(const YamlNode& node) {
  node.allow_only({"model", "context", "kv_cache"});
  const YamlNode model = node.at("model");
  if (model.is_missing()) throw sim::ConfigError(node.where() + ": card: model is missing");
  CardOptions options;
  if (const auto v = node.find("context")) options.context = v->integer(1, std::int64_t{1} << 24);
  if (node.find("kv_cache")) options.kv_cache = precision(node, "kv_cache", Precision::BF16);
  return to_json(make_card(load_model(model.file()), options));
}

}  // namespace moesim::workloads
