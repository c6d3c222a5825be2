#include "workloads/training/read_question.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "workloads/training/expert_group.h"
#include "workloads/training/operations.h"

namespace moesim::workloads {
namespace {

using sim::io::Json;
using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;
constexpr std::array<std::string_view, 8> kRecompute{
    "full", "moe", "mlp", "core_attn", "mla_up_proj", "moe_act", "layernorm", "shared_experts"};
constexpr std::array<bool Recompute::*, 8> kRecomputeMembers{
    &Recompute::full,      &Recompute::moe,           &Recompute::mlp,
    &Recompute::core_attn, &Recompute::mla_up_proj,   &Recompute::moe_act,
    &Recompute::layernorm, &Recompute::shared_experts};
constexpr std::array<std::string_view, 3> kNumberNames{"fp32", "bf16", "fp8"};
constexpr std::array<double, 3> kNumberBytes{4, 2, 1};
// Of the host; fitted on one step, Moonlight's on eight H100 without recomputation (457.18 ms;
// validation/cases/training-moonlight16b-8h100-none.yaml).
constexpr sim::Duration kOperation = std::chrono::microseconds(51);

std::int64_t integer(const YamlNode& node, std::string_view key, std::int64_t fallback,
                     std::int64_t least = 1) {
  const auto value = node.find(key);
  return value ? value->integer(least, kMost) : fallback;
}

bool boolean(const YamlNode& node, std::string_view key) {
  const auto value = node.find(key);
  return value && value->boolean();
}

void read_bytes(const YamlNode& node, std::string_view key, double& bytes) {
  const auto value = node.find(key);
  if (!value) return;
  const std::size_t place = value->one_of(std::span<const std::string_view>(kNumberNames));
  if (place < kNumberBytes.size()) bytes = kNumberBytes[place];
}

// "50000 h": longer than a Duration holds.
double seconds(const YamlNode& node) {
  const std::string text = node.text();
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  std::string_view unit(end, static_cast<std::size_t>(last - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  constexpr std::array<std::pair<std::string_view, double>, 5> kUnits{
      {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"ms", 1e-3}}};
  if (error == std::errc{} && number >= 0) {
    for (const auto& [name, factor] : kUnits)
      if (name == unit) return number * factor;
  }
  node.error(fmt::format("expected a time with a unit, such as 50000 h, not \"{}\"", text));
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

RunPlan read_run(const YamlNode& node) {
  node.allow_only({"tokens", "checkpoint", "failures", "routing"});
  RunPlan run;
  if (const auto tokens = node.find("tokens")) run.tokens = tokens->number(0, 1e18);
  if (const auto routing = node.find("routing")) read_run_routing(*routing, run);
  if (const auto checkpoint = node.find("checkpoint")) {
    checkpoint->allow_only({"every", "blocks"});
    run.blocks_s = seconds(checkpoint->at("blocks"));
    const auto every = checkpoint->find("every");
    if (every && every->text() != "optimal") run.every_s = seconds(*every);
  }
  if (const auto failures = node.find("failures")) {
    failures->allow_only({"gpu_mtbf", "detect", "restart"});
    run.gpu_mtbf_s = seconds(failures->at("gpu_mtbf"));
    if (const auto value = failures->find("detect")) run.detect_s = seconds(*value);
    if (const auto value = failures->find("restart")) run.restart_s = seconds(*value);
  } else if (const auto checkpoint = node.find("checkpoint"); checkpoint && !run.every_s) {
    checkpoint->error("without failures there is no best interval: give every, such as 30 min");
  }
  return run;
}

void read_schedule(const YamlNode& node, TrainingQuestion& q) {
  const auto value = node.find("schedule");
  if (!value) return;
  std::vector<std::string_view> names{"none"};
  names.insert(names.end(), schedule_names().begin(), schedule_names().end());
  const std::size_t place = value->one_of(std::span<const std::string_view>(names));
  if (place < names.size()) q.schedule = parse_schedule(names[place]);
}

// Stages of the whole model: what of it each chunk has.
std::int64_t stages_of(const TrainingQuestion& q, std::int64_t pp) {
  switch (q.schedule.value_or(ScheduleName::OneFOneB)) {
    case ScheduleName::Interleaved:
      return pp * q.virtual_stages;
    case ScheduleName::ZbV:
    case ScheduleName::DualPipeV:
      return 2 * pp;
    default:
      return pp;
  }
}

void lay_out(const YamlNode& node, const Deployment& d, TrainingQuestion& q) {
  const StageLayoutRequest request{.stages = stages_of(q, d.layout.pp),
                                   .layers = d.model.layer_count(),
                                   .predictions = q.predictions};
  const auto accounts = node.find("account_for");
  if (const auto text = node.find("layout")) {
    q.layout = text->text();
    if (accounts) accounts->error("layout says which layers a stage has: leave out account_for");
    auto stages = read_stage_layout(q.layout, request);
    if (auto* found = std::get_if<std::vector<StageContent>>(&stages)) {
      q.stages = std::move(*found);
    } else {
      // One message a place.
      std::string all;
      for (std::string_view problem : std::get<std::vector<std::string>>(stages)) {
        constexpr std::string_view kPrefix = "layout: ";  // of the message, as of the key
        if (problem.starts_with(kPrefix)) problem.remove_prefix(kPrefix.size());
        all += (all.empty() ? "" : "; ") + std::string(problem);
      }
      text->error(all);
    }
    return;
  }
  if (accounts) {
    for (const YamlNode& item : accounts->items())
      (item.one_of({"embedding", "loss"}) == 0 ? q.count_embedding : q.count_loss) = true;
  }
  const std::int64_t counted =
      request.layers + (q.count_embedding ? 1 : 0) + (q.count_loss ? 1 : 0);
  if (request.stages > counted) {
    node.error(
        fmt::format("{} stages for {} layers: {} or fewer pipeline ranks times virtual "
                    "stages would do, or a layout with empty stages",
                    request.stages, request.layers, counted));
    return;
  }
  q.stages = even_stages(request, q.count_embedding, q.count_loss);
}

}  // namespace

TrainingQuestion read_training_question(const YamlNode& node, const Deployment& d) {
  node.allow_only({"sequence",  "micro_batch", "global_batch", "schedule",      "virtual_stages",
                   "layout",    "account_for", "prediction",   "sharding",      "sharding_group",
                   "recompute", "gradients",   "optimizer",    "context",       "capacity",
                   "overlap",   "attention",   "draws",        "mfu_precision", "run"});
  TrainingQuestion q;
  q.sequence = node.at("sequence").integer(1, 1 << 24);
  q.micro_batch = integer(node, "micro_batch", 1);
  q.global_batch = node.at("global_batch").integer(1, 1 << 30);
  read_schedule(node, q);
  q.virtual_stages = integer(node, "virtual_stages", 1);
  q.predictions = integer(node, "prediction", 0, 0);
  if (q.predictions > d.model.prediction_layers)
    node.at("prediction")
        .error(fmt::format("{} has {} prediction layers", d.model.name, d.model.prediction_layers));
  if (const auto value = node.find("sharding")) {
    const std::size_t place = value->one_of(std::span<const std::string_view>(kShardingNames));
    if (place < kShardingNames.size()) q.sharding = static_cast<Sharding>(place);
  }
  if (const auto value = node.find("sharding_group")) q.sharding_group = value->integer(1, kMost);
  if (const auto list = node.find("recompute")) {
    for (const YamlNode& item : list->items()) {
      const std::size_t place = item.one_of(std::span<const std::string_view>(kRecompute));
      if (place < kRecompute.size()) q.recompute.*kRecomputeMembers[place] = true;
    }
  }
  if (const auto gradients = node.find("gradients")) {
    gradients->allow_only({"accumulate", "reduce", "bucket"});
    read_bytes(*gradients, "accumulate", q.accumulate_bytes);
    read_bytes(*gradients, "reduce", q.reduce_bytes);
    if (const auto value = gradients->find("bucket")) q.bucket = value->integer(1, kMost);
  }
  if (const auto optimizer = node.find("optimizer")) {
    optimizer->allow_only({"kind", "master", "moments", "parameters"});
    if (const auto kind = optimizer->find("kind")) (void)kind->one_of({"adam"});
    read_bytes(*optimizer, "master", q.master_bytes);
    read_bytes(*optimizer, "moments", q.moment_bytes);
    read_bytes(*optimizer, "parameters", q.parameter_bytes);
  }
  if (const auto value = node.find("context")) {
    const std::size_t place =
        value->one_of(std::span<const std::string_view>(kContextExchangeNames));
    if (place < kContextExchangeNames.size()) q.context = static_cast<ContextExchange>(place);
  }
  if (const auto capacity = node.find("capacity")) {
    capacity->allow_only({"factor", "pad", "drop"});
    q.capacity = capacity->at("factor").number(0.01, 100);
    if (const auto drop = capacity->find("drop")) (void)drop->one_of({"probability", "position"});
    if (!capacity->at("pad").boolean())
      capacity->error(
          "experts that drop without being filled up are not played yet: pad: true "
          "would do");
  }
  if (const auto overlap = node.find("overlap")) {
    overlap->allow_only(
        {"gradients", "parameters", "tensor", "expert", "delay_weight_gradients", "shared_expert"});
    q.overlap = {.gradients = boolean(*overlap, "gradients"),
                 .parameters = boolean(*overlap, "parameters"),
                 .tensor = boolean(*overlap, "tensor"),
                 .expert = boolean(*overlap, "expert"),
                 .delay_weight_gradients = boolean(*overlap, "delay_weight_gradients"),
                 .shared_expert = boolean(*overlap, "shared_expert")};
  }
  if (const auto value = node.find("attention")) {
    const std::array names{hardware::name_of(hardware::TrainingCore::FlashAttention3),
                           hardware::name_of(hardware::TrainingCore::CuDnn)};
    if (value->one_of(std::span<const std::string_view>(names)) == 1) {
      q.attention = hardware::TrainingCore::CuDnn;
    }
  }
  q.draws = integer(node, "draws", 8);
  if (const auto value = node.find("mfu_precision")) {
    const std::size_t place =
        value->one_of(std::span<const std::string_view>(hardware::kPrecisionNames));
    if (place < hardware::kPrecisions.size()) q.mfu_precision = hardware::kPrecisions[place];
  }
  if (const auto run = node.find("run")) q.run = read_run(*run);
  lay_out(node, d, q);
  return q;
}

namespace {

void check_batch(const Deployment& d, const TrainingQuestion& q, std::vector<Problem>& problems) {
  const Parallelism& p = d.layout;
  const std::int64_t at_once = q.micro_batch * p.dp;
  if (q.global_batch % at_once != 0) {
    problems.push_back(
        {"training", fmt::format("global_batch: {} sequences are no whole number of micro-batches "
                                 "of {} on {} dp ranks: a multiple of {} would do",
                                 q.global_batch, q.micro_batch, p.dp, at_once)});
  }
  if (q.sequence % (p.tp * p.cp) != 0) {
    problems.push_back(
        {"training", fmt::format("sequence: {} tokens do not divide over tp x cp = {} ranks",
                                 q.sequence, p.tp * p.cp)});
  }
}

void check_model(const ModelSpec& model, std::vector<Problem>& problems) {
  for (std::int64_t l = 0; l < model.layer_count(); ++l) {
    const LayerKind& kind = model.layer(l);
    if (trains(kind.mixer)) continue;
    problems.push_back(
        {"model",
         fmt::format("layer {} of {}, \"{}\", has a mixer whose backward pass is not known "
                     "yet: grouped-query and latent attention are",
                     l, model.name, kind.name)});
    return;
  }
}

void check_formats(const Formats& formats, std::vector<Problem>& problems) {
  using hardware::Precision;
  for (const Precision p : {formats.attention, formats.dense_ffn, formats.experts,
                            formats.shared_experts, formats.other}) {
    if (p != Precision::MXFP4 && p != Precision::NVFP4 && p != Precision::INT4 &&
        p != Precision::INT8)
      continue;
    problems.push_back({"precision", fmt::format("products in {} have no backward pass here: "
                                                 "precision: {{weights: bf16}} would do",
                                                 hardware::name_of(p))});
    return;
  }
}

// An encoder's result goes to every layer of the decoder: stages would send two things.
void check_encoder(const Deployment& d, std::vector<Problem>& problems) {
  if (d.model.encoder_layers == 0) return;
  const Parallelism& p = d.layout;
  if (p.pp > 1 || p.cp > 1)
    problems.push_back(
        {"parallelism", fmt::format("{} has an encoder, which is trained in one stage, by whole "
                                    "sequences: pp 1 and cp 1 would do, not {} and {}",
                                    d.model.name, p.pp, p.cp)});
}

void check_overlap(const Deployment& d, const TrainingQuestion& q, std::vector<Problem>& problems) {
  if (!q.overlap.expert) {
    if (q.overlap.delay_weight_gradients)
      problems.push_back(
          {"training", "overlap.delay_weight_gradients is a part of overlap.expert: set both"});
    return;
  }
  if (!d.model.is_moe())
    problems.push_back({"training", "overlap.expert: " + d.model.name + " has no experts"});
  if (q.recompute.full || q.recompute.moe)
    problems.push_back({"training",
                        "overlap.expert cannot recompute full or moe, which exchange again: "
                        "recompute: [moe_act, layernorm] would do"});
  if (q.overlap.shared_expert)
    problems.push_back(
        {"training", "overlap.expert leaves no stream for overlap.shared_expert: leave one out"});
}

}  // namespace

std::vector<Problem> check(const Deployment& d, const TrainingQuestion& q) {
  std::vector<Problem> problems;
  check_model(d.model, problems);
  check_formats(d.formats, problems);
  check_encoder(d, problems);
  check_batch(d, q, problems);
  if (std::string wrong = group_problem(d.layout); !wrong.empty())
    problems.push_back({"parallelism", std::move(wrong)});
  if (d.overlap.two_batch || d.overlap.shared_expert)
    problems.push_back({"overlap", "training has its own: training.overlap.expert, shared_expert"});
  if (!d.engine.name.empty())
    problems.push_back({"engine", "an engine serves; training has none: leave it out"});
  if (d.placement.redundant > 0 || d.placement.balancer != "none")
    problems.push_back({"placement",
                        "training keeps one copy of every expert: leave out redundant "
                        "ones and the balancer"});
  check_overlap(d, q, problems);
  if (q.sharding_group && (d.layout.dp * d.layout.cp) % *q.sharding_group != 0)
    problems.push_back(
        {"training", fmt::format("sharding_group: {} does not divide dp x cp = {} ranks",
                                 *q.sharding_group, d.layout.dp * d.layout.cp)});
  if (q.run && !q.run->routing.empty() && (!d.model.is_moe() || q.capacity))
    problems.push_back({"training",
                        "run.routing: without experts, or with a capacity that is filled up, the "
                        "routing makes no step longer: leave it out"});
  if (!q.schedule && d.layout.pp > 1)
    problems.push_back({"training", fmt::format("schedule: none is of one stage, not of pp = {}: "
                                                "1f1b would do",
                                                d.layout.pp)});
  if (!problems.empty()) return problems;
  const ScheduleShape shape{.ranks = d.layout.pp,
                            .micro_batches = q.micro_batches(d.layout.dp),
                            .chunks = q.virtual_stages,
                            .overlap_passes = q.overlap.expert};
  for (std::string& problem : problems_of(q.schedule.value_or(ScheduleName::OneFOneB), shape))
    problems.push_back({"training", "schedule: " + std::move(problem)});
  return problems;
}

void training_host(Host& host) {
  if (!host.graphs_given) host.graphs = Graphs::None;
  if (!host.operation_given) host.per_operation = kOperation;
}

std::vector<Problem> check_host(const Host& host) {
  std::vector<Problem> problems;
  if (host.operation_given)
    problems.push_back({"host", "per_operation is of training: leave it out"});
  for (std::size_t i = 0; i < host.recorded.size(); ++i) {
    if (!host.recorded[i]) continue;
    problems.push_back({"host", "a list of graphs is of training: none, decode or all would do"});
    break;
  }
  return problems;
}

Json to_json(const TrainingQuestion& q) {
  Json json{{"sequence", q.sequence},
            {"micro_batch", q.micro_batch},
            {"global_batch", q.global_batch},
            {"schedule", q.schedule ? std::string(name_of(*q.schedule)) : "none"},
            {"virtual_stages", q.virtual_stages}};
  if (!q.layout.empty()) json["layout"] = q.layout;
  Json accounts = Json::array();
  if (q.count_embedding) accounts.push_back("embedding");
  if (q.count_loss) accounts.push_back("loss");
  if (!accounts.empty()) json["account_for"] = std::move(accounts);
  json["prediction"] = q.predictions;
  json["sharding"] = std::string(kShardingNames[static_cast<std::size_t>(q.sharding)]);
  if (q.sharding_group) json["sharding_group"] = *q.sharding_group;
  json["recompute"] = Json::array();
  for (std::size_t i = 0; i < kRecompute.size(); ++i)
    if (q.recompute.*kRecomputeMembers[i]) json["recompute"].push_back(std::string(kRecompute[i]));
  const auto number = [](double bytes) {
    for (std::size_t i = 0; i < kNumberBytes.size(); ++i)
      if (kNumberBytes[i] == bytes) return std::string(kNumberNames[i]);
    return std::string();
  };
  json["gradients"] = {{"accumulate", number(q.accumulate_bytes)},
                       {"reduce", number(q.reduce_bytes)}};
  if (q.bucket) json["gradients"]["bucket"] = *q.bucket;
  json["optimizer"] = {{"kind", "adam"},
                       {"master", number(q.master_bytes)},
                       {"moments", number(q.moment_bytes)},
                       {"parameters", number(q.parameter_bytes)}};
  json["context"] = std::string(kContextExchangeNames[static_cast<std::size_t>(q.context)]);
  if (q.capacity) json["capacity"] = {{"factor", *q.capacity}, {"pad", true}};
  json["attention"] = std::string(hardware::name_of(q.attention));
  json["overlap"] = {{"gradients", q.overlap.gradients},
                     {"parameters", q.overlap.parameters},
                     {"tensor", q.overlap.tensor},
                     {"expert", q.overlap.expert},
                     {"delay_weight_gradients", q.overlap.delay_weight_gradients},
                     {"shared_expert", q.overlap.shared_expert}};
  json["draws"] = q.draws;
  json["mfu_precision"] = std::string(hardware::name_of(q.mfu_precision));
  if (q.run) {
    const RunPlan& run = *q.run;
    json["run"] = {{"tokens", run.tokens},
                   {"checkpoint_blocks_s", run.blocks_s},
                   {"gpu_mtbf_s", run.gpu_mtbf_s},
                   {"detect_s", run.detect_s},
                   {"restart_s", run.restart_s}};
    if (run.every_s) json["run"]["checkpoint_every_s"] = *run.every_s;
    for (const RunRouting& part : run.routing)
      json["run"]["routing"].push_back({{"from", part.from}, {"trace", part.trace.string()}});
  }
  return json;
}

}  // namespace moesim::workloads
