#include "workloads/step/step_builder.h"

#include <algorithm>

#include "workloads/step/expert_traffic.h"
#include "workloads/step/layer_work.h"
#include "workloads/step/rank_ops.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {

namespace {

// A kind of step: its parts, and of each the tokens that a draft layer starts from.
struct Kind {
  std::int64_t prompts = 0;
  std::vector<std::vector<MicroBatch>> parts = {}, drafts = {};
};

std::vector<Kind> kinds_of(const Scenario& s, const RankLayout& layout) {
  std::vector<Kind> kinds;
  for (const StepKind& kind : step_kinds(s.step)) {
    kinds.push_back({.prompts = kind.prompts, .parts = split_step(s, layout, kind.prompts)});
    if (s.step.speculation.draft == 0) continue;
    for (const auto& halves : kinds.back().parts) {
      auto& drafts = kinds.back().drafts.emplace_back();
      for (const MicroBatch& half : halves) drafts.push_back(draft_of(half, s, layout));
    }
  }
  return kinds;
}

// Of a kernel that the host launches by itself; nothing where the step is a recorded graph.
sim::Duration per_launch(const Scenario& s, const Kind& kind) {
  const bool decode = s.step.phase == StepPhase::Decode && kind.prompts == 0;
  const bool graph = s.host.graphs == Graphs::All || (decode && s.host.graphs == Graphs::Decode);
  return graph ? sim::Duration{} : s.host.per_launch;
}

}  // namespace

// What all steps of a scenario have in common.
struct StepBuilder::Common {
  Common(const Scenario& s, const RankLayout& l, const hardware::Kernels& kernels,
         const Communication& c, const LayerRoutes& routes)
      : scenario(s),
        layout(l),
        communication(c),
        kinds(kinds_of(s, l)),
        stages(split_stages(s.model, s.parallelism.pp)),
        sharded(tokens_are_sharded(s.parallelism)),
        stage_ranks(l.ranks() / static_cast<Rank>(s.parallelism.pp)),
        pricing{.kernels = kernels,
                .model = s.model,
                .precision = s.precision.parts,
                .tp = s.parallelism.tp,
                .cp = s.parallelism.cp,
                // Beside a token exchange that holds multiprocessors, kernels have the rest.
                .share = s.overlap.two_batch ? c.share_beside() : hardware::DeviceShare()},
        traffic(s, l, c, routes, pricing),
        moe_index(static_cast<std::size_t>(s.model.layer_count())) {
    std::size_t index = 0;
    for (const std::int64_t layer : s.model.moe_layers()) {
      moe_index[static_cast<std::size_t>(layer)] = index++;
    }
  }

  const Scenario& scenario;
  const RankLayout& layout;
  const Communication& communication;
  std::vector<Kind> kinds;
  std::vector<LayerRange> stages;
  bool sharded;
  Rank stage_ranks;
  LayerPricing pricing;
  ExpertTraffic traffic;
  std::vector<std::size_t> moe_index;  // of a layer that has experts: which of those it is
};

// Builds one graph. All ranks of a stage go through the same operations; only the rows of their
// experts differ.
class StepBuilder::Pass {
 public:
  Pass(Common& common, std::uint32_t step, const Kind& kind)
      : c_(common),
        kind_(kind),
        step_(step),
        ops_(common.scenario.cluster, common.layout.ranks(), common.stage_ranks,
             per_launch(common.scenario, kind)) {}

  BuiltStep build() {
    std::vector<std::vector<Half>> micro_batches;
    for (const auto& parts : kind_.parts) {
      micro_batches.emplace_back();
      for (const MicroBatch& part : parts) {
        micro_batches.back().push_back(
            {.batch = part, .chain = Chain(c_.layout.ranks(), sim::kNoOp)});
      }
    }
    for (std::int64_t round = 0; round < rounds(c_.scenario); ++round) {
      account_ = {};
      first_op_ = static_cast<OpId>(ops_.graph().size());
      think(micro_batches.front());
      for (std::size_t m = 0; m < micro_batches.size(); ++m) {
        for (std::size_t stage = 0; stage < c_.stages.size(); ++stage) {
          pass_stage(stage, micro_batches[m]);
        }
        if (!kind_.drafts.empty()) draft(kind_.drafts[m], micro_batches[m]);
      }
      ++step_;
    }
    return {
        .graph = std::move(ops_.graph()), .account = std::move(account_), .first_op = first_op_};
  }

 private:
  struct Half {
    const MicroBatch& batch;
    Chain chain;
    Chain routed = {};          // of the mixture layer at hand: each rank's router
    LayerTraffic traffic = {};  // of the mixture layer at hand
  };

  // The engine's time between two steps. What it does beside the GPU is seen where it takes longer.
  void think(std::vector<Half>& first) {
    const HostChoice& host = c_.scenario.host;
    const StepChoice& step = c_.scenario.step;
    const std::int64_t sequences =
        step.phase == StepPhase::Decode
            ? step.batch_per_rank
            : std::max<std::int64_t>(1, step.tokens_per_rank / step.prompt);
    const sim::Duration time = host.of_step(sequences, step.speculation.draft);
    if (time == sim::Duration{}) return;
    const sim::LabelId label = ops_.label("host", -1, Phase::Host, '\0');
    for (Rank r = 0; r < c_.layout.ranks(); ++r) {
      const OpId before = host.overlapped ? sim::kNoOp : first.front().chain[r];
      const OpId done = ops_.think(r, label, time, before);
      if (host.overlapped) continue;
      for (Half& half : first) half.chain[r] = done;
    }
  }

  // Drafted tokens come one after another, each from a pass through a layer and the head.
  void draft(const std::vector<MicroBatch>& parts, std::vector<Half>& halves) {
    first_ = static_cast<Rank>(c_.stages.size() - 1) * c_.stage_ranks;
    const std::int64_t layer = c_.scenario.model.moe_layers().back();
    std::vector<Half> drafts;
    for (std::size_t h = 0; h < parts.size(); ++h) {
      drafts.push_back({.batch = parts[h], .chain = std::move(halves[h].chain)});
    }
    for (std::int64_t token = 0; token < c_.scenario.step.speculation.draft; ++token) {
      for (Half& half : drafts) {
        compute_all("draft input", -1, Phase::Head,
                    c_.pricing.draft_input(half.batch.shape.main.sequences), half);
      }
      pass_layer(layer, drafts);
      for (Half& half : drafts) head(half);
    }
    for (std::size_t h = 0; h < parts.size(); ++h) halves[h].chain = std::move(drafts[h].chain);
  }

  void pass_stage(std::size_t stage, std::vector<Half>& halves) {
    first_ = static_cast<Rank>(stage) * c_.stage_ranks;
    for (Half& half : halves) {
      enter_stage(stage, half);
      if (stage == 0) embed(half);
    }
    const LayerRange wanted = c_.scenario.step.phase == StepPhase::Decode
                                  ? c_.scenario.model.decode_layers()
                                  : c_.scenario.model.prefill_layers();
    const LayerRange& mine = c_.stages[stage];
    for (std::int64_t layer = std::max(mine.first, wanted.first);
         layer < std::min(mine.last, wanted.last); ++layer) {
      pass_layer(layer, halves);
    }
    if (stage + 1 < c_.stages.size()) return;
    for (Half& half : halves) head(half);
  }

  // The activations go from each rank of the stage before to the same place in this one. From the
  // last stage to the first goes the next token, which has no size to speak of.
  void enter_stage(std::size_t stage, Half& half) {
    if (c_.stages.size() == 1) return;
    if (stage == 0) {
      const Rank last = static_cast<Rank>(c_.stages.size() - 1) * c_.stage_ranks;
      for (Rank r = 0; r < c_.stage_ranks; ++r) half.chain[r] = half.chain[last + r];
      return;
    }
    const sim::LabelId label = ops_.label("to stage", static_cast<std::int64_t>(stage),
                                          Phase::Pipeline, half.batch.suffix);
    const sim::Bytes bytes =
        activations(part_of(half.batch.shape.tokens(), c_.scenario.parallelism.tp, 0));
    for (Rank r = first_; r < first_ + c_.stage_ranks; ++r) {
      const Rank source = r - c_.stage_ranks;
      ops_.send(c_.communication.send(source, r, bytes), source, r, label, half.chain);
    }
  }

  void embed(Half& half) {
    const std::int64_t tokens = half.batch.shape.tokens();
    account_.tokens += tokens * c_.scenario.parallelism.dp;
    const BatchShape& main = half.batch.shape.main;
    const double worth = main.phase == StepPhase::Decode ? static_cast<double>(main.sequences) *
                                                               c_.scenario.step.speculation.accepted
                                                         : static_cast<double>(tokens);
    account_.output += worth * static_cast<double>(c_.scenario.parallelism.dp);
    compute_all("embedding", -1, Phase::Other, c_.pricing.embedding(tokens), half);
    tensor_collective("embedding all-reduce", -1, &Communication::all_reduce, activations(tokens),
                      half);
  }

  void head(Half& half) {
    if (!c_.scenario.model.head) return;
    const std::int64_t rows = half.batch.shape.logits();
    compute_all("head", -1, Phase::Head, c_.pricing.head(rows), half);
    tensor_collective("logits all-gather", -1, &Communication::all_gather,
                      sim::Bytes(rows * c_.scenario.model.vocab * 2), half);
  }

  // The halves take turns between the exchanges of a layer.
  void pass_layer(std::int64_t layer, std::vector<Half>& halves) {
    const bool has_experts = c_.scenario.model.moe(layer) != nullptr;
    for (Half& half : halves) {
      attention(layer, has_experts, half);
      if (has_experts) {
        route(layer, half);
        dispatch(layer, half);
      } else {
        dense(layer, half);
      }
    }
    if (!has_experts) return;
    for (Half& half : halves) {
      shared_expert(layer, half);
      experts(layer, half);
      combine(layer, half);
    }
  }

  void attention(std::int64_t layer, bool before_experts, Half& half) {
    const LayerKind& kind = c_.scenario.model.layer(layer);
    if (std::holds_alternative<NoMixer>(kind.mixer)) return;
    gather_context(layer, kind, half);
    Work work = sum_of_branches(layer - 1, half);
    work += c_.pricing.mixer(kind, half.batch.shape);
    compute_all("attention", layer, Phase::Attention, work, half);
    tensor_collective(
        "attention reduce", layer,
        before_experts && c_.sharded ? &Communication::reduce_scatter : &Communication::all_reduce,
        activations(tokens_of_cp_rank(half)), half);
  }

  // Routed and shared experts of a layer add up before the norm that follows them.
  Work sum_of_branches(std::int64_t layer, const Half& half) const {
    const MoeFfn* moe = layer < 0 ? nullptr : c_.scenario.model.moe(layer);
    if (moe == nullptr || moe->shared_width() + moe->residual_inter == 0) return {};
    return c_.pricing.sum(tokens_of_cp_rank(half));
  }

  // Context parallelism: every rank of the group sees all keys and values of the prompt.
  void gather_context(std::int64_t layer, const LayerKind& kind, Half& half) {
    const Parallelism& p = c_.scenario.parallelism;
    if (p.cp == 1) return;
    std::int64_t width = 0;
    if (const auto* gqa = std::get_if<GqaAttention>(&kind.mixer)) {
      width = (gqa->key_width() + gqa->value_width()) / p.tp;
    } else if (const auto* mla = std::get_if<MlaAttention>(&kind.mixer)) {
      width = mla->cache_width();
    }
    const sim::Bytes bytes(half.batch.shape.tokens() * width * 2);
    const sim::LabelId label =
        ops_.label("context all-gather", layer, Phase::Collectives, half.batch.suffix);
    for (Rank r = first_; r < first_ + c_.stage_ranks; ++r) {
      if (c_.layout.dense(r).cp != 0) continue;
      ops_.exchange(c_.communication.all_gather(c_.layout.cp_group(r), bytes), label, half.chain);
    }
  }

  void dense(std::int64_t layer, Half& half) {
    const std::int64_t tokens = tokens_of_cp_rank(half);
    const Work work = c_.pricing.dense(c_.scenario.model.layer(layer), tokens);
    if (work.time == sim::Duration{}) return;
    compute_all("dense mlp", layer, Phase::DenseMlp, work, half);
    tensor_collective("mlp all-reduce", layer, &Communication::all_reduce, activations(tokens),
                      half);
  }

  void route(std::int64_t layer, Half& half) {
    half.traffic = c_.traffic.route(step_, c_.moe_index[static_cast<std::size_t>(layer)], layer,
                                    first_, half.batch, account_);
    const MoeFfn& moe = *c_.scenario.model.moe(layer);
    const std::int64_t tokens = routed_tokens_of_rank(half);
    Work work = c_.pricing.router(moe, tokens);
    const auto format = c_.communication.quantised_before();
    if (c_.sharded && format) {
      work += c_.pricing.quantise(tokens, moe.dispatch_width(c_.scenario.model.hidden), *format);
    }
    compute_all("router", layer, Phase::Router, work, half);
    half.routed = half.chain;
  }

  void dispatch(std::int64_t layer, Half& half) {
    if (!c_.sharded) return;
    const sim::LabelId label = ops_.label("dispatch", layer, Phase::Dispatch, half.batch.suffix);
    for (TokenExchange& tokens : half.traffic.exchanges) {
      ops_.exchange(std::move(tokens.dispatch), label, half.chain);
    }
    expert_collective("rows all-gather", layer, &Communication::all_gather, half);
  }

  // Beside the dispatch it waits only for the router; otherwise for the dispatched rows.
  void shared_expert(std::int64_t layer, Half& half) {
    const Work work =
        c_.pricing.shared(*c_.scenario.model.moe(layer), routed_tokens_of_rank(half), c_.sharded);
    if (work.time == sim::Duration{}) return;
    if (!c_.scenario.overlap.shared_expert && !c_.scenario.overlap.two_batch) {
      compute_all("shared expert", layer, Phase::SharedExpert, work, half);
      return;
    }
    const sim::LabelId label =
        ops_.label("shared expert", layer, Phase::SharedExpert, half.batch.suffix);
    for (Rank r = first_; r < first_ + c_.stage_ranks; ++r) {
      // The experts come after it on the same stream.
      ops_.compute(r, label, work, half.routed[r], account_);
    }
  }

  void experts(std::int64_t layer, Half& half) {
    const sim::LabelId label = ops_.label("experts", layer, Phase::Experts, half.batch.suffix);
    for (Rank r = 0; r < c_.stage_ranks; ++r) {
      OpId& last = half.chain[first_ + r];
      last = ops_.compute(first_ + r, label, half.traffic.experts[r], last, account_);
    }
  }

  void combine(std::int64_t layer, Half& half) {
    if (!c_.sharded) {
      tensor_collective("experts all-reduce", layer, &Communication::all_reduce,
                        activations(tokens_of_cp_rank(half)), half);
      return;
    }
    expert_collective("rows reduce-scatter", layer, &Communication::reduce_scatter, half);
    const sim::LabelId label = ops_.label("combine", layer, Phase::Combine, half.batch.suffix);
    for (TokenExchange& tokens : half.traffic.exchanges) {
      ops_.exchange(std::move(tokens.combine), label, half.chain);
    }
    tensor_collective("tokens all-gather", layer, &Communication::all_gather,
                      activations(tokens_of_cp_rank(half)), half);
  }

  void compute_all(const char* what, std::int64_t layer, Phase phase, const Work& work,
                   Half& half) {
    ops_.compute_all(first_, ops_.label(what, layer, phase, half.batch.suffix), work, half.chain,
                     account_);
  }

  using Collective = hardware::PricedExchange (Communication::*)(std::span<const Rank>,
                                                                 sim::Bytes) const;

  // Over each tp group of the stage.
  void tensor_collective(const char* what, std::int64_t layer, Collective collective,
                         sim::Bytes bytes, Half& half) {
    if (c_.scenario.parallelism.tp == 1 || bytes == sim::Bytes{}) return;
    const sim::LabelId label = ops_.label(what, layer, Phase::Collectives, half.batch.suffix);
    for (Rank r = first_; r < first_ + c_.stage_ranks; ++r) {
      if (c_.layout.dense(r).tp != 0) continue;
      ops_.exchange((c_.communication.*collective)(c_.layout.tp_group(r), bytes), label,
                    half.chain);
    }
  }

  // Over each etp group of the stage: the rows that its ranks received.
  void expert_collective(const char* what, std::int64_t layer, Collective collective, Half& half) {
    if (c_.scenario.parallelism.etp == 1) return;
    const sim::LabelId label = ops_.label(what, layer, Phase::Collectives, half.batch.suffix);
    for (Rank r = first_; r < first_ + c_.stage_ranks; ++r) {
      if (c_.layout.expert(r).etp != 0) continue;
      ops_.exchange((c_.communication.*collective)(c_.layout.etp_group(r),
                                                   activations(half.traffic.rows[r - first_])),
                    label, half.chain);
    }
  }

  sim::Bytes activations(std::int64_t tokens) const {
    return sim::Bytes(tokens * c_.scenario.model.hidden * 2);
  }
  std::int64_t tokens_of_cp_rank(const Half& half) const {
    return part_of(half.batch.shape.tokens(), c_.scenario.parallelism.cp, 0);
  }
  std::int64_t routed_tokens_of_rank(const Half& half) const {
    return c_.sharded ? part_of(tokens_of_cp_rank(half), c_.scenario.parallelism.tp, 0)
                      : tokens_of_cp_rank(half);
  }

  Common& c_;
  const Kind& kind_;
  std::uint32_t step_;
  RankOps ops_;
  Rank first_ = 0;  // of the stage at hand
  StepAccount account_;
  OpId first_op_ = 0;
};

StepBuilder::StepBuilder(const Scenario& scenario, const RankLayout& layout,
                         const hardware::Kernels& kernels, const Communication& communication,
                         const LayerRoutes& routes)
    : common_(std::make_unique<Common>(scenario, layout, kernels, communication, routes)) {}

StepBuilder::~StepBuilder() = default;

BuiltStep StepBuilder::build(std::uint32_t step, std::size_t kind) {
  return Pass(*common_, step, common_->kinds[kind]).build();
}

}  // namespace moesim::workloads
