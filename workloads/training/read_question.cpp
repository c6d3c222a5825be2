#include "workloads/training/read_question.h"

#include <fmt/format.h>

#include "workloads/training/question_names.h"
#include "workloads/training/read_run_plan.h"

namespace moesim::workloads {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;
constexpr std::int64_t kMostDraws = 1 << 20;    // of the routing
constexpr std::int64_t kMostSteps = 1'000'000;  // that are drawn
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

void read_schedule(const YamlNode& node, TrainingQuestion& q) {
  const auto value = node.find("schedule");
  if (!value) return;
  std::vector<std::string_view> names{"none"};
  names.insert(names.end(), schedule_names().begin(), schedule_names().end());
  const std::size_t place = value->one_of(std::span<const std::string_view>(names));
  if (place < names.size()) q.schedule = parse_schedule(names[place]);
}

void read_overlap(const YamlNode& node, TrainingOverlap& overlap) {
  node.allow_only(
      {"gradients", "parameters", "tensor", "expert", "delay_weight_gradients", "shared_expert"});
  overlap = {.gradients = boolean(node, "gradients"),
             .parameters = boolean(node, "parameters"),
             .tensor = boolean(node, "tensor"),
             .expert = boolean(node, "expert"),
             .expert_given = node.find("expert").has_value(),
             .delay_weight_gradients = boolean(node, "delay_weight_gradients"),
             .shared_expert = boolean(node, "shared_expert")};
}

Jitter read_jitter(const YamlNode& node) {
  node.allow_only({"kernel", "stalls", "steps"});
  Jitter jitter;
  const auto kernel = node.find("kernel");
  if (kernel) jitter.kernel = kernel->number(0, 1);
  const auto stalls = node.find("stalls");
  if (stalls) {
    stalls->allow_only({"every", "takes"});
    jitter.stall_every = stalls->at("every").number(1, 1e9);
    jitter.stall_takes = stalls->at("takes").number(1, 1e6);
  }
  const auto steps = node.find("steps");
  if (steps) jitter.steps = steps->integer(1, kMostSteps);
  if (node.entries().size() == (steps ? 1u : 0u))
    node.error("says of nothing that it is late: kernel: 0.03, or stalls: {every: 1000, takes: 3}");
  return jitter;
}

// That MFU is over: one the device has a peak for. Where it is not said, bf16 or the next wider
// one.
hardware::Precision read_mfu_precision(const YamlNode& node, const hardware::Device& device) {
  using hardware::Precision;
  const auto there = [&](Precision p) {
    return device.peak.contains(p == Precision::FP8Block ? Precision::FP8 : p);
  };
  const auto value = node.find("mfu_precision");
  if (!value) {
    for (const Precision p : {Precision::BF16, Precision::FP16, Precision::FP32})
      if (there(p)) return p;
    return Precision::BF16;
  }
  const std::size_t place =
      value->one_of(std::span<const std::string_view>(hardware::kPrecisionNames));
  if (place >= hardware::kPrecisions.size()) return Precision::BF16;
  const Precision asked = hardware::kPrecisions[place];
  if (!there(asked)) {
    std::string list;
    for (const auto& [precision, rate] : device.peak)
      list += (list.empty() ? "" : ", ") + std::string(hardware::name_of(precision));
    value->error(fmt::format("{} has no peak in {}: one of {} would do", device.name,
                             hardware::name_of(asked), list));
  }
  return asked;
}

void lay_out(const YamlNode& node, const Deployment& d, TrainingQuestion& q) {
  const StageLayoutRequest request{.stages = stages_of(q, d.layout.pp),
                                   .layers = d.model.layer_count(),
                                   .predictions = q.predictions};
  if (request.stages < 1) return;  // a number that is none, which is told
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

TrainingQuestion read_training_question(const YamlNode& node, const Deployment& d,
                                        const std::optional<hardware::Reliability>& stated) {
  node.allow_only({"sequence",       "micro_batch",
                   "global_batch",   "schedule",
                   "virtual_stages", "layout",
                   "account_for",    "prediction",
                   "sharding",       "sharding_group",
                   "recompute",      "gradients",
                   "optimizer",      "context",
                   "capacity",       "overlap",
                   "attention",      "clocks",
                   "draws",          "mfu_precision",
                   "exchange_sms",   "run",
                   "jitter",         "micro_batch_group"});
  TrainingQuestion q;
  q.sequence = node.at("sequence").integer(1, 1 << 24);
  q.micro_batch = integer(node, "micro_batch", 1);
  q.global_batch = node.at("global_batch").integer(1, 1 << 30);
  read_schedule(node, q);
  q.virtual_stages = integer(node, "virtual_stages", 1);
  if (const auto value = node.find("micro_batch_group"))
    q.micro_batch_group = value->integer(1, kMost);
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
    if (const auto drop = capacity->find("drop"))
      q.drops_last = drop->one_of({"probability", "position"}) == 1;
    q.fills_capacity = capacity->at("pad").boolean();
  }
  if (const auto value = node.find("exchange_sms"))
    q.exchange_sms =
        value->integer(1, std::max<std::int64_t>(1, d.cluster.device.multiprocessors - 1));
  if (const auto overlap = node.find("overlap")) read_overlap(*overlap, q.overlap);
  settle_overlap(q, d.model);
  const auto named = hardware::core_named(d.kernels.attention);
  if (const auto value = node.find("attention")) {
    q.attention = static_cast<hardware::TrainingCore>(value->one_of(hardware::kTrainingCoreNames));
    if (named && *named != q.attention)
      value->error(fmt::format("kernels.attention says {}: leave one of them out",
                               hardware::name_of(*named)));
  } else {
    q.attention = named.value_or(hardware::usual_core(d.cluster.device));
  }
  if (const auto value = node.find("clocks")) q.brief = value->one_of({"sustained", "brief"}) == 1;
  if (const auto value = node.find("draws"))
    q.draws =
        value->is_scalar() && value->text() == "all" ? kAllDraws : value->integer(1, kMostDraws);
  if (const auto value = node.find("jitter")) q.jitter = read_jitter(*value);
  q.mfu_precision = read_mfu_precision(node, d.cluster.device);
  if (const auto run = node.find("run")) q.run = read_run_plan(*run, stated);
  lay_out(node, d, q);
  return q;
}

void settle_overlap(TrainingQuestion& q, const ModelSpec& model) {
  TrainingOverlap& overlap = q.overlap;
  if (!overlap.expert_given) overlap.expert = is_dual(q) && model.is_moe();
}

void training_kernels(hardware::KernelChoice& kernels) {
  kernels.attention.clear();
}

void training_host(Host& host) {
  if (!host.graphs_given) host.graphs = Graphs::None;
  if (!host.operation_given) host.per_operation = kOperation;
}

}  // namespace moesim::workloads
