#include "workloads/serving/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hardware/collectives/multicast.h"
#include "sim/error.h"
#include "workloads/memory/dispatch_limit.h"
#include "workloads/serving/saturation.h"

namespace moesim::workloads::serving {
namespace {

// The pool that has the prompts passes as many tokens of them at once as its scheduler lets it.
void check_prompts_dispatch(const Deployment& deployment, const Pool& pool) {
  if (const auto why =
          beyond_dispatch(deployment_of(deployment, pool), pool.scheduler.prompt_budget()))
    throw sim::InfeasibleError(
        fmt::format("{}: {}, and so does a scheduler.tokens of no more", pool.name, *why));
}

std::unique_ptr<RequestStream> open(const ServingQuestion& question, std::uint64_t seed) {
  if (const auto* laws = std::get_if<RequestLaws>(&question.requests)) {
    return std::make_unique<LawStream>(*laws, seed);
  }
  return open_trace(std::get<RequestTrace>(question.requests), seed);
}

ReplicaRules replica_rules(const Pool& pool, const CachePlan& cache,
                           const std::vector<double>& accepted) {
  ReplicaRules rules{.scheduler = pool.scheduler, .graphs = pool.graphs};
  rules.ranks = pool.layout.dp;
  rules.blocks = cache.blocks;
  rules.block = cache.block;
  rules.agree_every = pool.layout.dp > 1 ? pool.agree_every : 1;
  rules.choice = pool.ranks;
  rules.balance_iterations = pool.balance_iterations;
  if (pool.scheduler.draft > 0) rules.accepted = accepted;
  return rules;
}

// Whether the longest request that a law draws would be refused.
void check_longest(const ServingQuestion& question, const Pool& pool, const CachePlan& cache,
                   bool decodes) {
  const auto* laws = std::get_if<RequestLaws>(&question.requests);
  if (laws == nullptr) return;
  const Prefixes& p = laws->prefixes;
  const std::int64_t turn = laws->input.largest() + laws->output.largest();
  const std::int64_t input =
      laws->input.largest() + (p.groups > 0 ? p.tokens : 0) + (p.turns - 1) * turn;
  const std::string why =
      never_served(pool.scheduler, cache.blocks, cache.block, input,
                   decodes ? laws->output.largest() : 1, !decodes || !question.prefill);
  if (!why.empty()) {
    throw sim::InfeasibleError(
        fmt::format("{}: the longest request is never served: {}", pool.name, why));
  }
}

// A dp rank's share of what joins two engines: NVLink where all are in one node, else its NICs.
sim::Bandwidth port_of(const hardware::Cluster& cluster, const Pool& pool, bool one_node) {
  const double gpus = static_cast<double>(pool.layout.tp * pool.layout.cp * pool.layout.pp);
  if (one_node) return cluster.scale_up.bandwidth * gpus;
  const auto per_gpu = static_cast<double>(cluster.scale_out.nics_per_node) /
                       static_cast<double>(cluster.gpus_per_node);
  return cluster.scale_out.bandwidth * (per_gpu * gpus);
}

std::int64_t descriptors_of(const ModelSpec& model) {
  std::int64_t count = 0;
  for (std::int64_t l = model.encoder_layers; l < model.layer_count(); ++l) {
    count += std::holds_alternative<MlaAttention>(model.layer(l).mixer) ? 1 : 2;
  }
  return count;
}

// Flows of an exchange of tokens at a time on a port of one GPU: within a node to all others, else
// to GPUs of other nodes.
double flows_of(const Deployment& d, bool one_node) {
  const std::int64_t group = d.layout.ep, node = d.cluster.gpus_per_node;
  if (one_node) return static_cast<double>(group - 1);
  const bool by_node = hardware::traits_of(d.tokens).by_node;
  return static_cast<double>(by_node ? (group + node - 1) / node - 1
                                     : std::max<std::int64_t>(0, group - node));
}

// Of the step that the cost's engine plays of a batch: the fullest port's.
PortTraffic traffic_of(StepCost& cost, const Batch& batch, bool one_node) {
  StepPlayer& player = cost.player();
  const StepOutcome step = player.outcome(batch, 0, {.ranks = false, .path = false});
  const auto kind = one_node ? hardware::LinkKind::ScaleUp : hardware::LinkKind::Nic;
  sim::Duration busy{};
  for (const hardware::LinkUse& link : step.links)
    if (link.kind == kind) busy = std::max(busy, link.busy);
  return {.duty = std::min(1.0, sim::to_seconds(busy) / sim::to_seconds(step.whole)),
          .flows = flows_of(player.deployment(), one_node)};
}

ServingQuestion read_once(ServingQuestion question) {
  auto* trace = std::get_if<RequestTrace>(&question.requests);
  if (trace != nullptr && trace->facts.requests == 0) read_facts(*trace);
  return question;
}

}  // namespace

Service::Service(const Deployment& deployment, const ServingQuestion& question)
    : deployment_(deployment), question_(read_once(question)) {
  plan_caches();
  own_ = std::make_shared<Deployment>(deployment_of(deployment, question.pool));
  cost_ = std::make_shared<StepCost>(*own_, question.pool, question.iteration);
  if (!question.prefill) return;
  own_prefill_ = std::make_shared<Deployment>(deployment_of(deployment, *question.prefill));
  prefill_cost_ = std::make_shared<StepCost>(*own_prefill_, *question.prefill, question.iteration);
  see_traffic();
}

Service::Service(const ServingQuestion& question, const Service& like)
    : deployment_(like.deployment_),
      question_(question),
      own_(like.own_),
      own_prefill_(like.own_prefill_),
      cost_(like.cost_),
      prefill_cost_(like.prefill_cost_) {
  plan_caches();
  if (question_.prefill) see_traffic();
}

void Service::plan_caches() {
  const double context = question_.mean_input() + question_.mean_output() / 2;
  check_prompts_dispatch(deployment_, question_.prefill ? *question_.prefill : question_.pool);
  cache_ = plan_cache(deployment_, question_.pool, context);
  check_longest(question_, question_.pool, cache_, true);
  if (!question_.prefill) return;
  prefill_cache_ = plan_cache(deployment_, *question_.prefill, question_.mean_input());
  check_longest(question_, *question_.prefill, prefill_cache_, false);
}

// What exchanges take of the ports that caches go over: in a pass of as many prompt tokens as one
// takes, and in one of as many decodes as there will be at most.
void Service::see_traffic() {
  const bool one_node = question_.gpus() <= deployment_.cluster.gpus_per_node;
  const Pool& reader = *question_.prefill;
  const auto prompt = std::max<std::int64_t>(1, std::llround(question_.mean_input()));
  const std::int64_t read = std::min(prompt, reader.scheduler.prompt_budget());
  const std::int64_t prompts_of_pass =
      std::max<std::int64_t>(1, reader.scheduler.prompt_budget() / read);
  reading_ = traffic_of(*prefill_cost_, on_every_rank({prompts(prompts_of_pass, read)}), one_node);
  const double context = question_.mean_input() + question_.mean_output() / 2;
  const Pool& pool = question_.pool;
  const auto ranks = static_cast<double>(pool.layout.dp * pool.most_replicas());
  double decodes = std::min(static_cast<double>(pool.scheduler.sequences),
                            static_cast<double>(cache_.blocks * cache_.block) / context);
  if (const auto clients = question_.client.concurrency)
    decodes = std::min(decodes, static_cast<double>(*clients) / ranks);
  const auto sequences = std::max<std::int64_t>(1, std::llround(decodes));
  generating_ =
      traffic_of(*cost_, on_every_rank({decoding(sequences, std::llround(context))}), one_node);
}

Service::~Service() = default;

LoopRules Service::loop_rules(const ServingQuestion& load) const {
  LoopRules rules{.client = load.client};
  rules.warm_up = load.warm_up;
  rules.seed = deployment_.seed;
  const auto pool_rules = [&](const Pool& pool, const CachePlan& cache) {
    PoolRules p{.name = pool.name, .replica = replica_rules(pool, cache, load.accepted)};
    p.replicas = pool.replicas;
    p.router = pool.router;
    p.scale = pool.scale;
    p.together = pool.together;
    return p;
  };
  rules.serving = pool_rules(load.pool, cache_);
  if (load.prefill) {
    rules.prefill = pool_rules(*load.prefill, prefill_cache_);
    const bool one_node = load.gpus() <= deployment_.cluster.gpus_per_node;
    const std::int64_t layers = deployment_.model.layer_count();
    rules.transfer = {.mode = load.transfer.mode,
                      .setup = load.transfer.setup,
                      .post = load.transfer.post,
                      .bytes_per_token = cache_.sent_per_token,
                      .descriptors_per_block = descriptors_of(deployment_.model),
                      .block = prefill_cache_.block,
                      .sender = port_of(deployment_.cluster, *load.prefill, one_node),
                      .receiver = port_of(deployment_.cluster, load.pool, one_node),
                      .sender_traffic = reading_,
                      .receiver_traffic = generating_,
                      .layerwise = load.transfer.layerwise,
                      .layers = layers};
  }
  return rules;
}

PlayedService Service::play(const PlayOptions& options, const StepCost::Mode& mode) {
  return play(question_, options, mode);
}

PlayedService Service::play(const ServingQuestion& load, const PlayOptions& options,
                            const StepCost::Mode& mode) {
  LoopRules rules = loop_rules(load);
  rules.keep_iterations = options.keep_iterations;
  rules.sample = options.sample;
  cost_->set_mode(mode);
  if (prefill_cost_) prefill_cost_->set_mode(mode);
  const auto stream = open(load, deployment_.seed);
  ServingLoop loop(rules, *stream, *cost_, prefill_cost_.get());
  bool stopped = false;
  for (std::int64_t events = 0; loop.next_event(); ++events) {
    loop.step();
    if (options.stop && events % 64 == 0 && options.stop()) {
      stopped = true;
      break;
    }
    if (options.progress && events % 256 == 0) {
      options.progress(static_cast<std::int64_t>(loop.records().size()));
    }
  }
  PlayedService played{.report = summarise(loop, load)};
  ServingReport& report = played.report;
  report.partial = stopped;
  report.gpus = load.gpus();
  report.prefill_kv_blocks = load.prefill ? prefill_cache_.blocks : 0;
  report.factors = cost_->parts();
  report.notes = stream->notes();
  if (report.failed > 0) {
    report.notes.push_back(fmt::format(
        "{} requests are longer than the cache or the iteration could ever take: refused",
        report.failed));
  }
  played.records = loop.records();
  played.samples = loop.samples();
  played.iterations = loop.iterations();
  return played;
}

ServingReport::Saturation Service::capacity(std::optional<std::int64_t> in_flight) {
  cost_->set_mode({.mean = true});
  Saturation least = saturation_of(question_, cache_, *cost_, in_flight);
  const auto limit = [&](const Saturation& other) {
    if (other.capacity < least.capacity) least = other;
  };
  if (question_.prefill) {
    prefill_cost_->set_mode({.mean = true});
    limit(saturation_of_reading(question_, *prefill_cost_));
  }
  if (const auto front_ends = saturation_of_front_ends(question_)) limit(*front_ends);
  return least;
}

BareSteps Service::bare_steps(std::int64_t in_flight) {
  const StepCost::Mode mean{.mean = true};
  cost_->set_mode(mean);
  const auto context = std::llround(question_.mean_input() + question_.mean_output() / 2);
  const std::int64_t ranks = question_.pool.layout.dp * question_.pool.most_replicas();
  BatchPlan decodes{
      .decodes = std::min((in_flight + ranks - 1) / ranks, question_.pool.scheduler.sequences),
      .longest = context};
  decodes.keys = decodes.decodes * context;
  const auto of_one = [](std::int64_t dp) { return static_cast<std::size_t>(dp); };
  BareSteps bare{
      .decode = cost_->of(std::vector<BatchPlan>(of_one(question_.pool.layout.dp), decodes), 0)};
  const Pool& reader = question_.prefill ? *question_.prefill : question_.pool;
  StepCost& cost = question_.prefill ? *prefill_cost_ : *cost_;
  cost.set_mode(mean);
  const auto prompt = std::max<std::int64_t>(1, std::llround(question_.mean_input()));
  const std::int64_t most = reader.scheduler.prompt_budget();
  std::vector<BatchPlan> plans(of_one(reader.layout.dp), BatchPlan{.dummy = true});
  plans.front().dummy = false;
  for (std::int64_t read = 0; read < prompt; read += most) {
    plans.front().chunks = {{.tokens = std::min(most, prompt - read), .before = read}};
    bare.prompt += cost.of(plans, 0);
  }
  return bare;
}

ServingReport::IterationError error_of(const std::vector<StepCost::Checked>& checks) {
  ServingReport::IterationError error{.checks = static_cast<std::int64_t>(checks.size())};
  if (checks.empty()) return error;
  std::vector<double> percent;
  for (const StepCost::Checked& one : checks) percent.push_back(100 * one.result.error());
  const Quantiles q = quantiles_of(percent);
  error.mean_percent = q.mean;
  error.p99_percent = q.p99;
  error.max_percent = *std::max_element(percent.begin(), percent.end());
  return error;
}

}  // namespace moesim::workloads::serving
