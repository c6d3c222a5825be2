#include "workloads/step/weave.h"

#include <algorithm>

#include "workloads/step/rank_ops.h"
#include "workloads/step/schedule.h"

namespace moesim::workloads {
namespace {

// Of a kernel that the host launches by itself; nothing where the step is a recorded graph.
sim::Duration per_launch(const Host& host, const Batch& batch) {
  return is_launched(host, batch) ? host.per_launch : sim::Duration{};
}

// `Ops`: RankOps or RankClocks, what the operations of ranks become.
template <class Ops>
class Weaver {
 public:
  Weaver(const Loom& loom, const StepPlan& plan, std::uint32_t routing_step, Ops& ops)
      : program_(loom.program),
        plan_(plan),
        routing_step_(routing_step),
        deployment_(loom.deployment),
        layout_(loom.layout),
        communication_(loom.communication),
        host_(loom.host),
        stages_(split_stages(deployment_.model, deployment_.layout.pp)),
        layers_(has_prompts(plan.batch) && !decodes(plan.batch)
                    ? deployment_.model.prefill_layers()
                    : deployment_.model.decode_layers()),
        ops_(ops) {}

  StepAccount pass() {
    std::vector<std::vector<Half>> micro_batches;
    for (const auto& parts : plan_.parts) {
      micro_batches.emplace_back();
      for (const MicroBatch& part : parts) {
        micro_batches.back().push_back(
            {.batch = part, .chain = Chain(layout_.ranks(), Ops::kNothing)});
      }
    }
    const auto stages = static_cast<std::int64_t>(stages_.size());
    const std::vector<Step> order =
        one_by_one(in_order(stages, static_cast<std::int64_t>(micro_batches.size())));
    for (std::int64_t round = 0; round < rounds(deployment_.layout); ++round) {
      account_ = {};
      ops_.start_counting();
      if (host_) think(micro_batches.front());
      for (const Step& step : order) {
        const std::size_t m = step.slot.micro_batch;
        pass_stage(step.stage, micro_batches[m]);
        const bool last = step.stage + 1 == stages_.size();
        if (last && !plan_.drafts.empty()) draft(plan_.drafts[m], micro_batches[m]);
      }
      ++routing_step_;
    }
    return std::move(account_);
  }

 private:
  using Node = typename Ops::Node;
  using Chain = typename Ops::Chain;
  using Label = typename Ops::Label;

  // A micro-batch on its way, and what its next operation waits for on each rank.
  struct Half {
    const MicroBatch& batch;
    Chain chain;
    Chain fork = {};  // where what runs beside an exchange starts from
  };

  static bool decodes(const Batch& batch) {
    return std::ranges::any_of(batch.ranks, [](const RankBatch& rank) {
      return std::ranges::any_of(
          rank, [](const BatchShape& part) { return part.phase == StepPhase::Decode; });
    });
  }

  Place at(std::size_t stage) const {
    return {.first = static_cast<Rank>(stage) * program_.stage_ranks(),
            .routing_step = routing_step_};
  }

  // The engine's time between two steps. What it does beside the GPU is seen where it takes longer.
  void think(std::vector<Half>& first) {
    const Host& host = deployment_.host;
    if (host.of_step(1, 1) == sim::Duration{}) return;
    const Label label = ops_.label("host", -1, Phase::Host, '\0');
    for (Rank r = 0; r < layout_.ranks(); ++r) {
      const RankBatch& batch = plan_.batch.of(static_cast<std::size_t>(layout_.dense(r).dp));
      const sim::Duration time =
          host.of_step(std::max<std::int64_t>(1, sequences_of(batch)), plan_.batch.drafted);
      const Node before = host.overlapped ? Ops::kNothing : first.front().chain[r];
      const Node done = ops_.think(r, label, time, before);
      if (host.overlapped) continue;
      for (Half& half : first) half.chain[r] = done;
    }
  }

  // Drafted tokens come one after another, each from a pass through a layer and the head.
  void draft(const std::vector<MicroBatch>& parts, std::vector<Half>& halves) {
    const Place last = at(stages_.size() - 1);
    const std::int64_t layer = deployment_.model.moe_layers().back();
    std::vector<Half> drafts;
    for (std::size_t h = 0; h < parts.size(); ++h) {
      drafts.push_back({.batch = parts[h], .chain = std::move(halves[h].chain)});
    }
    for (std::int64_t token = 0; token < plan_.batch.drafted; ++token) {
      for (Half& half : drafts) add(program_.draft_input(half.batch), last, half);
      pass_layer(layer, last, drafts);
      for (Half& half : drafts) add(program_.head(last, half.batch), last, half);
    }
    for (std::size_t h = 0; h < parts.size(); ++h) halves[h].chain = std::move(drafts[h].chain);
  }

  void pass_stage(std::size_t stage, std::vector<Half>& halves) {
    const Place place = at(stage);
    for (Half& half : halves) {
      enter_stage(stage, half);
      if (stage > 0) continue;
      account_.tokens += tokens_of(half.batch.shape, deployment_.layout.dp);
      add(program_.embedding(place, half.batch), place, half);
    }
    const LayerRange& mine = stages_[stage];
    for (std::int64_t layer = std::max(mine.first, layers_.first);
         layer < std::min(mine.last, layers_.last); ++layer) {
      pass_layer(layer, place, halves);
    }
    if (stage + 1 < stages_.size()) return;
    for (Half& half : halves) add(program_.head(place, half.batch), place, half);
  }

  // The activations go from each rank of the stage before to the same place in this one. From the
  // last stage to the first goes the next token, which has no size to speak of.
  void enter_stage(std::size_t stage, Half& half) {
    if (stages_.size() == 1) return;
    const Rank ranks = program_.stage_ranks();
    if (stage == 0) {
      const Rank last = static_cast<Rank>(stages_.size() - 1) * ranks;
      for (Rank r = 0; r < ranks; ++r) half.chain[r] = half.chain[last + r];
      return;
    }
    const Label label = ops_.label("to stage", static_cast<std::int64_t>(stage), Phase::Pipeline,
                                   half.batch.suffix);
    const Rank first = at(stage).first;
    for (Rank r = first; r < first + ranks; ++r) {
      const Rank source = r - ranks;
      hardware::PricedExchange sent =
          communication_.send(source, r, program_.to_next_stage(half.batch, r));
      count(Phase::Pipeline, sent);
      ops_.send(std::move(sent.exchange), source, r, label, half.chain);
    }
  }

  // The halves take turns between the exchanges of a layer.
  void pass_layer(std::int64_t layer, const Place& place, std::vector<Half>& halves) {
    std::vector<std::vector<Turn>> turns;
    for (Half& half : halves) {
      turns.push_back(program_.layer(layer, place, half.batch, account_));
      add(std::move(turns.back().front()), place, half);
    }
    for (std::size_t turn = 1; turn < turns.front().size(); ++turn) {
      for (std::size_t h = 0; h < halves.size(); ++h) {
        add(std::move(turns[h][turn]), place, halves[h]);
      }
    }
  }

  void add(Turn turn, const Place& place, Half& half) {
    for (Task& task : turn) {
      const Label label = ops_.label(task.what, task.layer, task.phase, half.batch.suffix);
      for (hardware::PricedExchange& exchange : task.exchanges) {
        count(task.phase, exchange);
        ops_.exchange(std::move(exchange.exchange), label, half.chain);
      }
      if (!task.work.works.empty()) compute(task, label, place, half);
      if (task.forks) half.fork = half.chain;
    }
  }

  void compute(const Task& task, Label label, const Place& place, Half& half) {
    Work& counted = account_.work[index_of(task.phase)];
    BoundTimes& bounds = account_.bounds_of(place_of(task.layer, task.phase));
    if (task.work.of.empty()) {
      counted.add(task.work[0], program_.stage_ranks());
      add_times(bounds, task.work[0].by_bound, program_.stage_ranks());
    }
    for (Rank r = 0; r < program_.stage_ranks(); ++r) {
      const Rank rank = place.first + r;
      const Work& work = task.work[r];
      if (!task.work.of.empty()) {
        counted += work;
        add_times(bounds, work.by_bound, 1);
      }
      const Node done =
          ops_.compute(rank, label, work, task.beside ? half.fork[rank] : half.chain[rank]);
      if (!task.beside) half.chain[rank] = done;
    }
  }

  void count(Phase phase, const hardware::PricedExchange& exchange) {
    account_.exchanged[index_of(phase)].add(exchange, exchange.exchange.participants.size());
    account_.payload[index_of(phase)].push_back(sim::payload_of(exchange.exchange));
  }

  Program& program_;
  const StepPlan& plan_;
  std::uint32_t routing_step_;
  const Deployment& deployment_;
  const RankLayout& layout_;
  const Communication& communication_;
  bool host_;
  std::vector<LayerRange> stages_;
  LayerRange layers_;  // that such a step passes
  Ops& ops_;
  StepAccount account_;
};

}  // namespace

bool is_launched(const Host& host, const Batch& batch) {
  const bool decode = !has_prompts(batch);
  const bool graph = host.graphs == Graphs::All || (decode && host.graphs == Graphs::Decode);
  return !graph && host.per_launch > sim::Duration{};
}

StepPlan plan_step(const Batch& batch, const Deployment& deployment, const RankLayout& layout) {
  StepPlan plan{.batch = batch, .parts = split_step(batch, deployment, layout)};
  if (batch.drafted == 0) return plan;
  for (const auto& halves : plan.parts) {
    auto& drafts = plan.drafts.emplace_back();
    for (const MicroBatch& half : halves) drafts.push_back(draft_of(half, deployment, layout));
  }
  return plan;
}

std::int64_t rounds(const Parallelism& layout) {
  return layout.pp > 1 ? 2 : 1;
}

BuiltStep weave(const Loom& loom, const StepPlan& plan, std::uint32_t routing_step) {
  RankOps ops(loom.deployment.cluster, loom.layout.ranks(),
              per_launch(loom.deployment.host, plan.batch));
  StepAccount account = Weaver<RankOps>(loom, plan, routing_step, ops).pass();
  return {
      .graph = std::move(ops.graph()), .account = std::move(account), .first_op = ops.first_op()};
}

ClockedStep clock(const Loom& loom, const StepPlan& plan, std::uint32_t routing_step,
                  hardware::BoundClocks& network, KeptTimes kept) {
  const Overlap& overlap = loom.deployment.overlap;
  kept.one_by_one = loom.deployment.layout.pp == 1 && !overlap.two_batch &&
                    !overlap.shared_expert && !loom.deployment.host.overlapped &&
                    !is_launched(loom.deployment.host, plan.batch);
  RankClocks clocks(loom.deployment.cluster, network, loom.layout.ranks(),
                    loom.program.stage_ranks(), per_launch(loom.deployment.host, plan.batch), kept);
  StepAccount account = Weaver<RankClocks>(loom, plan, routing_step, clocks).pass();
  return {.clocks = std::move(clocks), .account = std::move(account)};
}

}  // namespace moesim::workloads
