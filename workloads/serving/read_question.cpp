#include "workloads/serving/read_question.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/io/yaml_share.h"
#include "workloads/deployment/choose_kernels.h"
#include "workloads/deployment/read.h"
#include "workloads/serving/read_requests.h"
#include "workloads/serving/read_scale.h"

namespace moesim::workloads::serving {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;
// Making tokens of a prompt's text, where an engine's file tells what a request takes: 290,000 a
// second, of gpt-oss-120b under vLLM with 4 clients, prompts of 8,192 against 1,024 tokens, by what
// does not shrink with tensor parallelism (2.2, 3.6 and 4.7 us on H100, B200 and H200).
constexpr sim::Duration kPerPromptToken{3'500'000};

// Whose scheduler an engine's file is for: its name begins with it.
std::optional<SchedulerKind> kind_of(const Engine& engine) {
  const std::string name = engine.file.stem().string();
  for (std::size_t i = 0; i < kSchedulerKindNames.size(); ++i) {
    if (name.starts_with(kSchedulerKindNames[i])) return static_cast<SchedulerKind>(i);
  }
  return {};
}

template <typename From, typename To>
void take(const std::optional<From>& from, To& to) {
  if (from) to = *from;
}

void apply(const EngineScheduler& s, std::int64_t dp, Pool& pool) {
  SchedulerRules& rules = pool.scheduler;
  take(s.tokens, rules.tokens);
  take(s.sequences, rules.sequences);
  take(s.chunked, rules.chunked);
  take(s.order, rules.order);
  take(s.prefill_interval, rules.prefill_interval);
  take(s.ahead, rules.ahead);
  take(s.late, rules.late);
  take(s.receive_interval, rules.receive_interval);
  take(s.batch_wait, rules.batch_wait);
  take(s.stream_interval, rules.stream_interval);
  take(s.mixed, rules.mixed);
  take(s.admission, rules.admission);
  take(s.prefix_cache, rules.prefix_cache);
  take(s.reserve_full_prompt, rules.reserve_full_prompt);
  take(s.watermark, rules.watermark);
  take(s.agree_every, pool.agree_every);
  take(s.ranks, pool.ranks);
  take(s.balance_iterations, pool.balance_iterations);
  const bool by_dp = s.chunk_by_dp.value_or(false) && dp > 1;
  if (s.chunk) rules.chunk = by_dp ? std::max<std::int64_t>(1, *s.chunk / dp) : *s.chunk;
  // SGLang with attention over dp takes three tenths.
  if (s.conservativeness) rules.conservativeness = *s.conservativeness * (by_dp ? 0.3 : 1.0);
}

void read_cache(const YamlNode& node, Pool& pool) {
  node.allow_only({"memory", "of", "reserve", "block", "blocks", "prefix_cache",
                   "reserve_full_prompt", "watermark", "host"});
  CacheRules& cache = pool.cache;
  if (const auto found = node.find("memory")) {
    cache.fraction = sim::io::share_of(*found);
    if (cache.fraction == 0) found->error("expected a fraction above 0, such as 0.9");
  }
  if (const auto found = node.find("of")) {
    cache.of = static_cast<FractionOf>(found->one_of(kFractionOfNames));
  }
  if (const auto found = node.find("reserve")) cache.reserve = found->bytes();
  if (const auto found = node.find("block")) cache.block = found->integer(1, 1 << 20);
  if (const auto found = node.find("blocks")) cache.blocks = found->integer(1, kMost);
  if (const auto found = node.find("prefix_cache")) pool.scheduler.prefix_cache = found->boolean();
  if (const auto found = node.find("reserve_full_prompt")) {
    pool.scheduler.reserve_full_prompt = found->boolean();
  }
  if (const auto found = node.find("watermark")) {
    pool.scheduler.watermark = sim::io::share_of(*found, 0, 0.99);
  }
  if (const auto host = node.find("host")) {
    host->allow_only({"size", "bandwidth"});
    if (const auto size = host->find("size"); size && size->bytes() > sim::Bytes{}) {
      size->error("a cache in the host's memory is not simulated: leave it out");
    }
  }
}

void read_router(const YamlNode& node, RouterRules& router) {
  node.allow_only({"policy", "snapshot"});
  router.policy = static_cast<RouterPolicy>(node.at("policy").one_of(kRouterPolicyNames));
  if (const auto snapshot = node.find("snapshot")) router.snapshot = snapshot->duration();
}

// Attention over more dp ranks than a node has is given a fraction, of 0.7 to 0.94 in the recipes
// of pools apart (InferenceX, 2026): what an engine's own formula leaves of a card is less.
constexpr std::int64_t kMostByFormula = 8;
constexpr double kUsualFraction = 0.8;

// Where dp ranks share no experts each is an engine of its own.
void split_independent_ranks(Pool& pool) {
  Parallelism& p = pool.layout;
  if (p.dp == dp_of_engine(p) || !check_layout(p).empty()) return;
  pool.replicas *= p.dp;
  pool.together = p.dp;
  p.dp = 1;
}

class Reader {
 public:
  Reader(const YamlNode& node, const Deployment& deployment, std::vector<std::string>& defaults)
      : node_(node), deployment_(deployment), defaults_(defaults) {}

  // The engine's rules, then what the scenario says, then what the pool does.
  Pool pool(std::string name, const std::optional<YamlNode>& own) {
    Pool pool{.name = std::move(name)};
    pool.layout = deployment_.layout;
    const auto find = [&](const char* key) { return own ? own->find(key) : std::nullopt; };
    if (const auto layout = find("parallelism")) {
      pool.layout = read_parallelism(layout, deployment_.model.is_moe());
    }
    pool.scheduler.kind = kind_of(deployment_.engine).value_or(SchedulerKind::Vllm);
    const hardware::Device& card = deployment_.cluster.device;
    const std::int64_t dp = dp_of_engine(pool.layout);
    Engine engine = started_on(deployment_.engine, card, pool.layout);
    if (const auto& s = engine.scheduler) apply(*s, dp, pool);
    CapturedGraphs graphs = engine.graphs.value_or(CapturedGraphs{});
    for (const auto& from : {std::optional(node_), own}) {
      if (!from) continue;
      if (const auto part = from->find("scheduler")) {
        const EngineScheduler asked = read_engine_scheduler(*part);
        apply(asked, dp, pool);
        if (asked.chunk && engine.scheduler) engine.scheduler->chunk = asked.chunk;
      }
      if (const auto part = from->find("graphs")) {
        graphs = read_captured_graphs(*part, std::move(graphs));
      }
    }
    if (engine.graphs) engine.graphs = graphs;
    take(fraction_of(engine, card, pool.layout), pool.cache.fraction);
    if (dp > kMostByFormula && pool.cache.fraction < kUsualFraction && !says_fraction(own)) {
      defaults_.push_back(fmt::format(
          "kv.memory of {}: {}, as recipes have it: {}'s own formula leaves {} of a card beside "
          "what so many dp ranks' graphs take",
          pool.name, kUsualFraction, engine.name, pool.cache.fraction));
      pool.cache.fraction = kUsualFraction;
    }
    if (const auto& m = engine.memory) {
      pool.cache.of = m->of;
      pool.cache.reserve = m->reserve;
      take(m->block, pool.cache.block);
    }
    for (const auto& from : {std::optional(node_), own}) {
      if (!from) continue;
      if (const auto part = from->find("kv")) read_cache(*part, pool);
      if (const auto part = from->find("router")) read_router(*part, pool.router);
      if (const auto part = from->find("autoscale")) pool.scale = read_scale(*part);
      const auto replicas = from->find("replicas");
      if (replicas) pool.replicas = replicas->integer(1, kMostGpus);
      if (!pool.scale) continue;
      if (!replicas) pool.replicas = pool.scale->least;
      if (pool.replicas < pool.scale->least || pool.replicas > pool.scale->most) {
        replicas->error(fmt::format("expected {} to {}, as autoscale says", pool.scale->least,
                                    pool.scale->most));
      }
    }
    pool.graphs = {.sizes = graphs.captured(),
                   .pad = graphs.pad,
                   .mixed = graphs.mixed,
                   .alike = graphs.alike};
    split_independent_ranks(pool);
    return pool;
  }

  ServingQuestion read() {
    node_.allow_only({"requests", "client", "scheduler", "graphs", "kv", "speculation", "replicas",
                      "autoscale", "pools", "transfer", "router", "targets", "iteration"});
    ServingQuestion q;
    read_requests(node_.at("requests"), q);
    q.client.send = deployment_.host.per_request;
    q.client.front_end = deployment_.host.front_end;
    if (q.client.send > sim::Duration{}) q.client.per_token = kPerPromptToken;
    if (const auto client = node_.find("client")) read_client(*client, q);
    if (const auto part = node_.find("speculation")) read_speculation(*part, q);
    if (const auto pools = node_.find("pools")) {
      read_pools(*pools, q);
    } else {
      q.pool = pool("replicas", std::nullopt);
      if (const auto transfer = node_.find("transfer")) {
        transfer->error("nothing is sent where prompts are read in the same place: give pools");
      }
    }
    q.pool.scheduler.draft = static_cast<std::int64_t>(q.accepted.size());
    if (const auto targets = node_.find("targets")) q.targets = serving::read_targets(*targets);
    if (const auto part = node_.find("iteration")) read_iteration(*part, q.iteration);
    if (!kind_of(deployment_.engine)) {
      defaults_.push_back(
          "scheduler: vLLM's order, 8192 tokens and 1024 sequences an iteration, no host (no "
          "engine "
          "of vllm, sglang or trtllm is named)");
    }
    return q;
  }

 private:
  bool says_fraction(const std::optional<YamlNode>& own) const {
    return std::ranges::any_of(std::array{std::optional(node_), own}, [](const auto& from) {
      const auto kv = from ? from->find("kv") : std::nullopt;
      return kv && kv->find("memory");
    });
  }

  void read_client(const YamlNode& node, ServingQuestion& q) {
    node.allow_only({"concurrency", "front_end", "send", "per_token", "receive"});
    if (const auto found = node.find("concurrency")) {
      q.client.concurrency = found->integer(1, std::int64_t{1} << 24);
    }
    if (const auto found = node.find("send")) {
      q.client.send = found->duration();
      q.client.front_end = q.client.per_token = {};
    }
    if (const auto found = node.find("front_end")) q.client.front_end = found->duration();
    if (const auto found = node.find("per_token")) q.client.per_token = found->duration();
    if (const auto found = node.find("receive")) q.client.receive = found->duration();
  }

  void read_speculation(const YamlNode& node, ServingQuestion& q) {
    node.allow_only({"draft", "accepted"});
    const std::int64_t draft = node.at("draft").integer(1, 64);
    const YamlNode accepted = node.at("accepted");
    for (const YamlNode& chance : accepted.items()) q.accepted.push_back(chance.number(0, 1));
    if (!accepted.is_missing() && static_cast<std::int64_t>(q.accepted.size()) != draft) {
      accepted.error(fmt::format("expected the chances of {} drafted tokens, not {}", draft,
                                 q.accepted.size()));
    }
  }

  void read_pools(const YamlNode& node, ServingQuestion& q) {
    node.allow_only({"prefill", "decode"});
    if (const auto replicas = node_.find("replicas")) {
      replicas->error("each pool has its own: give pools.prefill.replicas and the like");
    }
    if (const auto scale = node_.find("autoscale")) {
      scale->error("each pool has its own: give pools.decode.autoscale and the like");
    }
    const auto part = [&](const char* name) {
      const YamlNode own = node.at(name);
      if (own.is_missing()) return Pool{};
      own.allow_only({"replicas", "autoscale", "parallelism", "kernels", "scheduler", "graphs",
                      "kv", "router"});
      Pool made = pool(name, own);
      if (const auto kernels = own.find("kernels")) {
        read_kernels(*kernels, made.kernels);
        check_kernels(own, deployment_of(deployment_, made));
      }
      return made;
    };
    q.prefill = part("prefill");
    q.prefill->phase = TokenPhase::Prefill;
    q.pool = part("decode");
    q.pool.phase = TokenPhase::Decode;
    const bool sglang = q.pool.scheduler.kind == SchedulerKind::Sglang;
    q.transfer.mode = sglang ? TransferMode::Push : TransferMode::Pull;
    if (const auto transfer = node_.find("transfer")) {
      transfer->allow_only({"mode", "post", "setup", "layerwise"});
      if (const auto mode = transfer->find("mode")) {
        q.transfer.mode = static_cast<TransferMode>(mode->one_of(kTransferModeNames));
      }
      if (const auto post = transfer->find("post")) q.transfer.post = post->duration();
      if (const auto setup = transfer->find("setup")) q.transfer.setup = setup->duration();
      if (const auto layers = transfer->find("layerwise")) q.transfer.layerwise = layers->boolean();
    }
  }

  static void read_iteration(const YamlNode& node, IterationRules& rules) {
    node.allow_only({"cost", "error", "draws", "checks"});
    if (const auto found = node.find("cost")) {
      rules.cost = static_cast<CostKind>(found->one_of(kCostKindNames));
    }
    if (const auto found = node.find("error")) rules.error = sim::io::share_of(*found, 1e-6, 0.5);
    if (const auto found = node.find("draws")) rules.draws = found->integer(1, 4096);
    if (const auto found = node.find("checks")) rules.checks = found->integer(1, 4096);
  }

  const YamlNode& node_;
  const Deployment& deployment_;
  std::vector<std::string>& defaults_;
};

void check_pool(const Deployment& all, const Pool& pool, std::vector<Problem>& problems) {
  if (const std::string text = check_layout(pool.layout); !text.empty()) {
    problems.push_back({"serving", fmt::format("{}: {}", pool.name, text)});
    return;
  }
  for (const Problem& problem : workloads::check(deployment_of(all, pool))) {
    problems.push_back(
        {"serving", fmt::format("{}: {}: {}", pool.name, problem.key, problem.text)});
  }
}

}  // namespace

ServingQuestion read_question(const YamlNode& node, const Deployment& deployment,
                              std::vector<std::string>& defaults) {
  return Reader(node, deployment, defaults).read();
}

std::vector<Problem> check(const Deployment& deployment, const ServingQuestion& q) {
  std::vector<Problem> problems;
  if (!deployment.placement.lost.empty() &&
      (q.prefill || q.pool.replicas > 1 || q.pool.layout.ep != deployment.layout.ep)) {
    return {{"serving",
             "GPUs of one engine are lost: a service of it alone, without pools and with "
             "one replica, would do"}};
  }
  check_pool(deployment, q.pool, problems);
  if (q.prefill) check_pool(deployment, *q.prefill, problems);
  if (q.gpus() > deployment.cluster.ranks()) {
    problems.push_back({"serving", fmt::format("its engines take {} GPUs, the cluster has {}",
                                               q.gpus(), deployment.cluster.ranks())});
  }
  if (deployment.routing.mapping.phase == TokenPhase::Own && !q.prefill) {
    problems.push_back({"routing",
                        "phase: own: engines' passes hold prompts and generated tokens: any, "
                        "prefill or decode, or serving.pools apart, would do"});
  }
  const auto* laws = std::get_if<RequestLaws>(&q.requests);
  if (laws != nullptr && laws->arrivals.law == ArrivalLaw::Closed && !q.client.concurrency) {
    problems.push_back({"serving",
                        "a closed loop has so many requests in flight: give "
                        "client.concurrency"});
  }
  if (!q.accepted.empty() && deployment.model.prediction_layers == 0) {
    problems.push_back(
        {"serving", "speculation: the model has no layers that predict further tokens"});
  }
  return problems;
}

}  // namespace moesim::workloads::serving
