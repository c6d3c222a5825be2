#include "workloads/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"
#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/placement/balanced.h"

namespace moesim::workloads {
namespace {

using hardware::Precision;
using sim::io::YamlDocument;
using sim::io::YamlNode;

constexpr std::int64_t kMostTokens = std::int64_t{1} << 26;
constexpr std::int64_t kMostDraft = 7;  // beyond 8 queries kernels are not those of decode
constexpr std::int64_t kMostChunk =
    8192;  // engines' default of tokens a pass (TensorRT-LLM, SGLang)

// In the order of Law.
constexpr std::array<std::string_view, 5> kLaws{"balanced", "uniform", "zipf", "power_law",
                                                "log_normal"};

// Loads what another file describes. What is wrong in it is that file's own error: its message
// already says where, so it is passed on as one more mistake of this one.
template <typename T, typename Load>
T load_part(const YamlNode& node, Load&& load) {
  if (node.is_missing() || !node.is_scalar()) {
    if (!node.is_missing()) node.error("expected the path of a file");
    return {};
  }
  try {
    return load(node.file());
  } catch (const sim::ConfigError& error) {
    node.error(fmt::format("this file is wrong:\n{}", error.what()));
  } catch (const sim::InputError& error) {
    node.error(error.what());
  }
  return {};
}

void read_precision(const YamlNode& node, Precision& precision) {
  precision = hardware::kPrecisions[node.one_of(hardware::kPrecisionNames)];
}

ScenarioPrecision read_precision(const std::optional<YamlNode>& node, const ModelSpec& model) {
  ScenarioPrecision precision;
  PartPrecision& parts = precision.parts;
  parts.attention = model.stored.attention;
  parts.dense = model.stored.dense_ffn;
  parts.experts = model.stored.experts;
  parts.shared = model.stored.shared_experts;
  parts.other = model.stored.other;
  if (model.stored.kv_cache) parts.kv_cache = *model.stored.kv_cache;
  if (!node) return precision;
  node->allow_only({"weights", "attention", "dense", "experts", "shared_experts", "other",
                    "activations", "kv_cache", "dispatch", "combine"});
  if (const auto weights = node->find("weights")) {
    // The matrices that engines quantise; router, embedding and head stay as they are stored.
    read_precision(*weights, parts.attention);
    parts.dense = parts.experts = parts.shared = parts.attention;
  }
  const auto read = [&](const char* key, Precision& value) {
    if (const auto found = node->find(key)) read_precision(*found, value);
  };
  read("attention", parts.attention);
  read("dense", parts.dense);
  read("experts", parts.experts);
  read("shared_experts", parts.shared);
  read("other", parts.other);
  read("activations", parts.activations);
  read("kv_cache", parts.kv_cache);
  read("dispatch", precision.dispatch);
  read("combine", precision.combine);
  return precision;
}

// Without experts `etp` has no meaning; with them it is tp's where the experts are not divided
// otherwise, as engines do with tensor parallelism alone.
Parallelism read_parallelism(const std::optional<YamlNode>& node, bool has_experts) {
  Parallelism p;
  if (!node) return p;
  node->allow_only({"tp", "pp", "dp", "ep", "etp", "cp", "order"});
  const auto read = [&](const char* key, std::int64_t& size) {
    if (const auto value = node->find(key)) size = value->integer(1, kMostGpus);
  };
  read("tp", p.tp);
  read("pp", p.pp);
  read("dp", p.dp);
  read("ep", p.ep);
  p.etp = p.ep == 1 ? p.tp : 1;
  read("etp", p.etp);
  if (!has_experts && p.ep == 1) p.etp = p.tp;
  read("cp", p.cp);
  if (const auto order = node->find("order")) p.order = order->text();
  // A size that could not be read is 0, and has its own message.
  if (std::min({p.tp, p.pp, p.dp, p.ep, p.etp, p.cp}) == 0) return p;
  if (const std::string wrong = check_layout(p); !wrong.empty()) node->error(wrong);
  return p;
}

template <typename Enum, std::size_t N>
void read_choice(const YamlNode& map, const char* key, const std::array<std::string_view, N>& names,
                 Enum& value) {
  if (const auto found = map.find(key)) value = static_cast<Enum>(found->one_of(names));
}

TraceMapping read_mapping(const YamlNode& node) {
  // Short traces go round, which the report says; what changes who goes where has to be asked for.
  TraceMapping mapping{.tokens = TokenMapping::Repeat};
  read_choice(node, "layers", kLayerMappings, mapping.layers);
  read_choice(node, "tokens", kTokenMappings, mapping.tokens);
  read_choice(node, "experts", kExpertMappings, mapping.experts);
  read_choice(node, "order", kTokenOrders, mapping.order);
  if (const auto mix = node.find("mix")) {
    for (const auto& [domain, share] : mix->entries()) {
      mapping.mix.emplace_back(domain, share.number(0, 1e6));
    }
  }
  return mapping;
}

RoutingChoice read_routing(const std::optional<YamlNode>& node) {
  RoutingChoice routing;
  if (!node) return routing;
  if (node->find("trace")) {
    for (const char* key : {"law", "skew", "drift"}) {
      const auto found = node->find(key);
      if (found) found->error("belongs to a routing without a trace: leave out one of the two");
    }
    node->allow_only(
        {"trace", "layers", "tokens", "experts", "order", "mix", "law", "skew", "drift"});
    routing.trace = node->at("trace").file();
    routing.mapping = read_mapping(*node);
    return routing;
  }
  for (const char* key : {"layers", "tokens", "experts", "order", "mix"}) {
    const auto found = node->find(key);
    if (found) found->error("says how a trace is mapped, but there is none: give routing.trace");
  }
  node->allow_only(
      {"law", "skew", "drift", "trace", "layers", "tokens", "experts", "order", "mix"});
  routing.law = static_cast<Law>(node->at("law").one_of(kLaws));
  routing.skew = default_skew(routing.law);
  // Without meaning for balanced and uniform, so that a study may change the law alone.
  if (const auto skew = node->find("skew")) routing.skew = skew->number(0, 100);
  if (const auto drift = node->find("drift")) {
    const double value = drift->number(0, 3);
    if (routing.law != Law::Balanced) routing.drift = value;
  }
  return routing;
}

PlacementChoice read_placement(const std::optional<YamlNode>& node) {
  PlacementChoice placement;
  if (!node) return placement;
  node->allow_only({"experts", "file", "redundant", "balancer"});
  if (const auto experts = node->find("experts")) {
    std::vector<std::string_view> names(placement_names().begin(), placement_names().end());
    placement.experts = names[experts->one_of(names)];
  }
  if (const auto file = node->find("file")) placement.file = file->file();
  if (const auto redundant = node->find("redundant")) {
    placement.redundant = redundant->integer(0, kMostExperts);
  }
  if (const auto balancer = node->find("balancer")) {
    constexpr std::array<std::string_view, 2> kBalancers{"none", "eplb"};
    placement.balancer = kBalancers[balancer->one_of(kBalancers)];
    if (placement.balancer == "eplb") placement.experts = "eplb";
  }
  return placement;
}

Speculation read_speculation(const YamlNode& node) {
  Speculation speculation;
  node.allow_only({"draft", "accepted"});
  speculation.draft = node.at("draft").integer(1, kMostDraft);
  const YamlNode accepted = node.at("accepted");
  speculation.accepted = accepted.number(1);
  if (speculation.accepted > static_cast<double>(speculation.draft + 1)) {
    accepted.error(fmt::format("{} tokens a step of {} drafted and one of the model's own",
                               speculation.accepted, speculation.draft));
  }
  return speculation;
}

Refill read_refill(const YamlNode& node) {
  Refill refill;
  node.allow_only({"prompt", "output", "chunk"});
  refill.prompt = node.at("prompt").integer(1, kMostTokens);
  refill.output = node.at("output").integer(1, kMostTokens);
  refill.chunk = std::min(refill.prompt, kMostChunk);
  if (const auto chunk = node.find("chunk")) {
    refill.chunk = std::min(refill.prompt, chunk->integer(1, kMostTokens));
  }
  return refill;
}

void read_decode(const YamlNode& node, StepChoice& step) {
  step.batch_per_rank = node.at("batch_per_rank").integer(1, kMostTokens);
  if (const auto refill = node.find("refill")) step.refill = read_refill(*refill);
  // Sequences that begin and end all the time are half-way through their output on the mean.
  const auto context = node.find("context");
  step.context = step.refill.prompt > 0 && !context ? step.refill.prompt + step.refill.output / 2
                                                    : node.at("context").integer(1, kMostTokens);
  if (const auto found = node.find("speculation")) step.speculation = read_speculation(*found);
}

StepChoice read_step(const YamlNode& node) {
  StepChoice step;
  node.allow_only({"phase", "batch_per_rank", "context", "refill", "speculation", "tokens_per_rank",
                   "prompt", "count"});
  step.phase = static_cast<StepPhase>(node.at("phase").one_of({"prefill", "decode"}));
  if (step.phase == StepPhase::Decode) {
    read_decode(node, step);
  } else {
    step.tokens_per_rank = node.at("tokens_per_rank").integer(1, kMostTokens);
    step.prompt = step.tokens_per_rank;
    if (const auto prompt = node.find("prompt")) step.prompt = prompt->integer(1, kMostTokens);
    if (step.prompt < step.tokens_per_rank && step.tokens_per_rank % step.prompt != 0) {
      node.error(fmt::format("tokens_per_rank {} is no whole number of prompts of {}; {} would be",
                             step.tokens_per_rank, step.prompt,
                             step.tokens_per_rank / step.prompt * step.prompt));
    }
  }
  for (const char* key : {"batch_per_rank", "context", "refill", "speculation"}) {
    const auto found = node.find(key);
    if (found && step.phase == StepPhase::Prefill) {
      found->error("belongs to decode; prefill has tokens_per_rank and prompt");
    }
  }
  for (const char* key : {"tokens_per_rank", "prompt"}) {
    const auto found = node.find(key);
    if (found && step.phase == StepPhase::Decode) {
      found->error("belongs to prefill; decode has batch_per_rank and context");
    }
  }
  if (const auto count = node.find("count")) step.count = count->integer(1, 100'000);
  return step;
}

void read_network(const std::optional<YamlNode>& node, Scenario& scenario) {
  if (!node) return;
  constexpr std::array<std::string_view, 2> kFidelities{"bound", "fluid"};
  if (node->is_map()) {
    node->allow_only({"fidelity", "tolerance"});
    scenario.network = static_cast<hardware::Fidelity>(node->at("fidelity").one_of(kFidelities));
    if (const auto tolerance = node->find("tolerance")) {
      scenario.tolerance = tolerance->number(0, 0.1);
    }
    return;
  }
  scenario.network = static_cast<hardware::Fidelity>(node->one_of(kFidelities));
}

// Whether every rank of a group has as many expert slots as the others.
void check_slots(const YamlNode& root, const Scenario& scenario) {
  const std::int64_t redundant = scenario.placement.redundant, ranks = scenario.parallelism.ep;
  for (const std::int64_t layer : scenario.model.moe_layers()) {
    const std::int64_t experts = scenario.model.moe(layer)->experts;
    if ((experts + redundant) % ranks == 0) continue;
    const auto placement = root.find("placement");
    (placement ? *placement : root.at("parallelism"))
        .error(fmt::format("{} experts and {} redundant ones do not divide over ep = {} ranks; "
                           "placement.redundant: {} would do",
                           experts, redundant, ranks, (ranks - experts % ranks) % ranks));
    return;
  }
}

// What only the parts together can tell.
void check_together(const YamlNode& root, const Scenario& scenario) {
  const Parallelism& p = scenario.parallelism;
  if (p.gpus() > scenario.cluster.ranks()) {
    root.at("cluster").error(fmt::format("the layout needs {} GPUs, the cluster has {}", p.gpus(),
                                         scenario.cluster.ranks()));
  }
  if (p.pp > scenario.model.layer_count()) {
    root.at("parallelism")
        .error(fmt::format("pp = {} stages for {} layers", p.pp, scenario.model.layer_count()));
  }
  if (scenario.placement.file.empty()) check_slots(root, scenario);
  if (!scenario.model.is_moe() && p.ep > 1) {
    root.at("parallelism")
        .error(fmt::format("{} has no experts: leave out ep", scenario.model.name));
  }
  if (scenario.step.speculation.draft > 0 && scenario.model.moe_layers().empty()) {
    root.at("step").error(
        fmt::format("speculation drafts with a mixture layer, {} has none", scenario.model.name));
  }
  if (scenario.step.phase == StepPhase::Decode && scenario.model.max_context > 0 &&
      scenario.step.context > scenario.model.max_context) {
    root.at("step").error(fmt::format("a context of {} tokens, but {} has at most {}",
                                      scenario.step.context, scenario.model.name,
                                      scenario.model.max_context));
  }
}

}  // namespace

Scenario read_scenario(YamlDocument& document) {
  const YamlNode root = document.root();
  root.allow_only({"name", "model", "cluster", "precision", "parallelism", "routing", "placement",
                   "kernels", "network", "overlap", "engine", "host", "step", "seed"});
  Scenario s;
  s.file = document.name();
  s.name = root.at("name").text();
  s.model_file = model_file(root.at("model").file());
  s.cluster_file = root.at("cluster").file();
  s.model = load_part<ModelSpec>(root.at("model"), load_model);
  s.cluster = load_part<hardware::Cluster>(root.at("cluster"), hardware::load_cluster);
  s.precision = read_precision(root.find("precision"), s.model);
  s.parallelism = read_parallelism(root.find("parallelism"), s.model.is_moe());
  s.routing = read_routing(root.find("routing"));
  s.placement = read_placement(root.find("placement"));
  if (const auto kernels = root.find("kernels")) {
    kernels->allow_only({"gemm", "moe", "attention", "all_reduce", "all_to_all"});
    if (const auto gemm = kernels->find("gemm")) s.kernels.gemm = gemm->text();
    if (const auto moe = kernels->find("moe")) s.kernels.moe = moe->text();
    if (const auto attention = kernels->find("attention")) s.kernels.attention = attention->text();
    s.all_reduce = hardware::default_all_reduce(s.kernels.gemm);
    if (const auto all = kernels->find("all_reduce")) {
      s.all_reduce = hardware::all_reduce_names()[all->one_of(hardware::all_reduce_names())];
    }
    if (const auto all = kernels->find("all_to_all")) {
      s.all_to_all = hardware::multicast_names()[all->one_of(hardware::multicast_names())];
    }
  }
  read_network(root.find("network"), s);
  if (const auto overlap = root.find("overlap")) {
    overlap->allow_only({"two_batch", "shared_expert"});
    if (const auto two = overlap->find("two_batch")) s.overlap.two_batch = two->boolean();
    if (const auto shared = overlap->find("shared_expert")) {
      s.overlap.shared_expert = shared->boolean();
    }
  }
  if (const auto engine = root.find("engine")) {
    s.engine_file = engine->file();
    s.host = load_part<HostChoice>(*engine, load_engine);
  } else {
    s.host.per_launch = s.cluster.device.host_launch;
  }
  if (const auto host = root.find("host")) read_host(*host, s.host);
  s.step = read_step(root.at("step"));
  if (const auto seed = root.find("seed")) {
    s.seed = static_cast<std::uint64_t>(seed->integer(0));
  }
  document.throw_errors();
  check_together(root, s);
  document.throw_errors();
  return s;
}

YamlDocument open_scenario(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides) {
  YamlDocument document = YamlDocument::load(file);
  for (const std::string& assignment : overrides) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw sim::ConfigError(
          fmt::format("--set {}: expected key=value, such as step.batch_per_rank=64", assignment));
    }
    document.set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
  return document;
}

Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides) {
  YamlDocument document = open_scenario(file, overrides);
  return read_scenario(document);
}

}  // namespace moesim::workloads
