#include "workloads/training/layer_passes.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "hardware/collectives/collectives.h"
#include "hardware/kernels/sustained.h"
#include "sim/check.h"
#include "workloads/step/layer_work.h"
#include "workloads/step/token_split.h"

namespace moesim::workloads {
namespace {

// Megatron-Core cuts a reduce-scatter that runs beside its GEMM in so many parts.
constexpr std::int64_t kScatterParts = 4;
// What the host does for an exchange of tokens: its layout, the exchange, its event.
constexpr std::int64_t kTokenOperations = 3;

// Numbers of a token's queries, keys, values and result on a tp rank; none without heads.
struct HeadWidths {
  std::int64_t queries = 0, keys = 0, values = 0, result = 0;
};
HeadWidths widths_of(const Mixer& mixer, std::int64_t tp) {
  if (const auto* a = std::get_if<GqaAttention>(&mixer)) {
    const std::int64_t heads = split(a->heads, tp), kv = split(a->kv_heads, tp);
    return {.queries = heads * a->head_dim,
            .keys = kv * a->head_dim,
            .values = a->key_is_value ? 0 : kv * a->value_head(),
            .result = heads * a->value_head()};
  }
  if (const auto* a = std::get_if<MlaAttention>(&mixer)) {
    const std::int64_t heads = split(a->heads, tp);
    return {.queries = heads * a->query_head(),
            .keys = heads * a->query_head(),
            .values = heads * a->value_dim,
            .result = heads * a->value_dim};
  }
  return {};
}

// What is recomputed within a part's own sums: with `full` and `moe` the passes are repeated step
// by step instead, exchanges included.
Recompute within_sums(Recompute recompute) {
  if (recompute.full) return {};
  recompute.moe = false;
  return recompute;
}

double slowdown_of(const LayerPassBuilder::Input& input) {
  const hardware::Device& device = input.group.cluster.device;
  return input.question.brief ? hardware::brief_slowdown(device, hardware::Precision::BF16)
                              : hardware::sustained_slowdown(device, hardware::Precision::BF16);
}

// Of attention cores. FlashAttention-3's constants are of longer benches, and of training itself;
// cuDNN's are of their quickest runs.
double core_slowdown_of(const LayerPassBuilder::Input& input) {
  if (input.question.attention != hardware::TrainingCore::CuDnn || input.question.brief) return 1;
  return slowdown_of(input);
}

OperationPricing beside(OperationPricing pricing, const Communication& communication) {
  pricing.share = communication.share_beside();
  return pricing;
}

void append(Steps& to, const Steps& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

LayerPassBuilder::LayerPassBuilder(const Input& input)
    : in_(input),
      pricing_{.kernels = input.kernels,
               .cores = input.cores,
               .grouped = input.grouped,
               .model = input.group.model,
               .formats = input.group.formats,
               .aligned = aligned_to(input.group.kernels, input.group.formats),
               .tp = input.group.layout.tp,
               .cp = input.group.layout.cp,
               .etp = input.group.layout.etp,
               .accumulate_bytes = input.question.accumulate_bytes,
               .slowdown = slowdown_of(input),
               .core_slowdown = core_slowdown_of(input),
               .share = input.share},
      beside_(beside(pricing_, input.communication)),
      by_layer_(!input.group.routing.trace.empty() || input.group.routing.law != Law::Balanced),
      tokens_(input.question.micro_batch * split(input.question.sequence, input.group.layout.cp)),
      own_tokens_(split(tokens_, input.group.layout.tp)),
      moe_index_(static_cast<std::size_t>(input.group.model.layer_count())) {
  std::size_t index = 0;
  for (const std::int64_t layer : in_.group.model.moe_layers())
    moe_index_[static_cast<std::size_t>(layer)] = index++;
}

void LayerPassBuilder::compute(Steps& steps, const char* what, Phase phase, Work work,
                               std::optional<GraphScope> scope) const {
  if (work.time == sim::Duration{}) return;
  steps.push_back(
      {.what = what, .phase = index_of(phase), .works = {std::move(work)}, .scope = scope});
}

// Over every group of that dimension; `bytes`: of each rank, or one number for all.
void LayerPassBuilder::collective(Steps& steps, const char* what, Over over, Collective how,
                                  std::span<const sim::Bytes> bytes, bool beside) const {
  PassStep step{.what = what,
                .phase = over == Over::Context ? kContextPhase : index_of(Phase::Collectives),
                .beside = beside};
  const RankLayout& layout = in_.layout;
  for (Rank r = 0; r < layout.ranks(); ++r) {
    const std::vector<Rank> group = over == Over::Tensor    ? layout.tp_group(r)
                                    : over == Over::Context ? layout.cp_group(r)
                                                            : layout.etp_group(r);
    if (group.size() == 1 || group.front() != r) continue;
    const sim::Bytes amount = bytes[bytes.size() == 1 ? 0 : r];
    if (amount != sim::Bytes{}) step.exchanges.push_back((in_.communication.*how)(group, amount));
  }
  if (!step.exchanges.empty()) steps.push_back(std::move(step));
}

void LayerPassBuilder::tensor(Steps& steps, const char* what, Collective how, sim::Bytes bytes,
                              bool beside) const {
  // Cut in parts, all but one run beside the GEMM that they belong to.
  if (in_.question.overlap.tensor && !beside) {
    const std::int64_t parts =
        how == &Communication::all_gather ? in_.group.layout.tp : kScatterParts;
    bytes = sim::Bytes((bytes.count() + parts - 1) / parts);
  }
  collective(steps, what, Over::Tensor, how, std::array{bytes}, beside);
}

const LayerPasses& LayerPassBuilder::layer(std::int64_t layer, std::uint32_t draw) {
  const ModelSpec& model = in_.group.model;
  const bool routed = by_layer_ && model.moe(layer) != nullptr;
  // Layers of one kind are alike but for their routing.
  const Key key =
      routed
          ? Key{layer, draw}
          : Key{-1 - static_cast<std::int64_t>(model.layers[static_cast<std::size_t>(layer)]), 0};
  return once(key, [&] {
    return make(model.layer(layer), moe_index_[static_cast<std::size_t>(layer)], draw);
  });
}

LayerPasses LayerPassBuilder::make(const LayerKind& kind, std::size_t moe_index,
                                   std::uint32_t draw) {
  LayerPasses passes;
  add_attention(kind, passes);
  if (const auto* dense = std::get_if<DenseFfn>(&kind.ffn)) add_dense(*dense, passes);
  if (const auto* moe = std::get_if<MoeFfn>(&kind.ffn)) add_moe(*moe, moe_index, draw, passes);
  if (in_.question.recompute.full) {
    // All of it again, and what is only there for the recomputed part of sums is in them already:
    // sums are made without recomputation then (add_*).
    const LayerForward& f = passes.forward;
    for (const Steps* part : {&f.attention, &f.dispatch, &f.mlp, &f.combine, &f.tail})
      append(passes.backward.again, *part);
  }
  return passes;
}

void LayerPassBuilder::add_attention(const LayerKind& kind, LayerPasses& to) {
  const ModelSpec& model = in_.group.model;
  const std::int64_t sequences = in_.question.micro_batch, length = in_.question.sequence;
  const bool causal = model.encoder_layers == 0 || kind.cross;  // its kinds have no cross attention
  Operations ops = pricing_.mixer(kind.mixer, sequences, length, causal);
  if (ops.empty()) return;
  if (kind.cross)
    for (Operation& op : pricing_.cross(*kind.cross, sequences, length))
      ops.push_back(std::move(op));
  const Sums sums = sums_of(ops, within_sums(in_.question.recompute));
  const sim::Bytes whole = bytes_of(tokens_ * in_.group.model.hidden);
  Steps &forward = to.forward.attention, &backward = to.backward.attention;
  tensor(forward, "attention all-gather", &Communication::all_gather, whole);
  add_context(kind.mixer, ops, to);
  compute(forward, "attention", Phase::Attention, sums.forward, GraphScope::Attention);
  tensor(forward, "attention reduce-scatter", &Communication::reduce_scatter, whole);
  tensor(backward, "attention gradients all-gather", &Communication::all_gather, whole);
  tensor(backward, "attention input all-gather", &Communication::all_gather, whole, true);
  compute(backward, "attention backward", Phase::Attention, sums.input, GraphScope::Attention);
  tensor(backward, "attention gradients reduce-scatter", &Communication::reduce_scatter, whole);
  compute(to.backward.attention_weights, "attention weights", Phase::Attention, sums.weight,
          GraphScope::Attention);
}

void LayerPassBuilder::add_context(const Mixer& mixer, const Operations& ops,
                                   LayerPasses& to) const {
  const std::int64_t cp = in_.group.layout.cp;
  if (cp == 1) return;
  const HeadWidths widths = widths_of(mixer, in_.group.layout.tp);
  const std::int64_t keys = tokens_ * (widths.keys + widths.values);
  Steps &forward = to.forward.attention, &backward = to.backward.attention;
  switch (in_.question.context) {
    case ContextExchange::Ring: {
      // Each of cp parts of the core hides the next part's send; what it does not is seen.
      Work core_forward, core_backward;
      for (const Operation& op : ops) {
        if (op.module != Module::Core) continue;
        core_forward += op.forward;
        core_backward += op.input;
      }
      const std::vector<Rank> group = in_.layout.cp_group(0);
      const auto seen = [&](const char* what, std::int64_t numbers, const Work& core,
                            Steps& steps) {
        const auto send = in_.communication.send(group[0], group[1], bytes_of(numbers));
        const sim::Duration over = send.alone - core.time / cp;
        if (over <= sim::Duration{}) return;
        Work wait;
        wait.time = over * (cp - 1);
        steps.push_back({.what = what, .phase = kContextPhase, .works = {wait}});
      };
      seen("ring", keys, core_forward, forward);
      seen("ring backward", 2 * keys, core_backward, backward);
      return;
    }
    case ContextExchange::AllGather: {
      const std::array whole{bytes_of(cp * keys)};
      collective(forward, "context all-gather", Over::Context, &Communication::all_gather, whole);
      collective(backward, "context all-gather", Over::Context, &Communication::all_gather, whole);
      collective(backward, "context reduce-scatter", Over::Context, &Communication::reduce_scatter,
                 whole);
      return;
    }
    case ContextExchange::AllToAll: {
      // Transformer Engine copies a tensor before and after: heads of a rank together, and tokens
      // in their order (attention/dot_product_attention/context_parallel.py,
      // flash_attn_a2a_communicate).
      constexpr std::int64_t kCopies = 2, kTensors = 4, kReadAndWrite = 2;
      const std::int64_t numbers =
          tokens_ * (widths.queries + widths.keys + widths.values + widths.result);
      hardware::KernelCost copies = in_.kernels.elementwise(
          {.bytes = bytes_of(kCopies * kReadAndWrite * numbers), .launches = kCopies * kTensors},
          in_.share);
      copies.launches = kCopies * kTensors;
      Work copied;
      copied += copies;
      for (Steps* steps : {&forward, &backward})
        compute(*steps, "context copies", Phase::Attention, copied);
      PassStep step{.what = "context all-to-all", .phase = kContextPhase};
      for (Rank r = 0; r < in_.layout.ranks(); ++r) {
        const std::vector<Rank> group = in_.layout.cp_group(r);
        if (group.front() != r) continue;
        for (const std::int64_t width :
             {widths.queries, widths.keys, widths.values, widths.result}) {
          if (width == 0) continue;
          step.exchanges.push_back(
              hardware::all_to_all(in_.group.cluster, group, bytes_of(tokens_ * width)));
        }
      }
      forward.push_back(step);
      backward.push_back(std::move(step));
      return;
    }
  }
}

void LayerPassBuilder::add_dense(const DenseFfn& ffn, LayerPasses& to) {
  const Sums sums = sums_of(pricing_.dense(ffn, tokens_), within_sums(in_.question.recompute));
  const sim::Bytes whole = bytes_of(tokens_ * in_.group.model.hidden);
  tensor(to.forward.mlp, "mlp all-gather", &Communication::all_gather, whole);
  compute(to.forward.mlp, "mlp", Phase::DenseMlp, sums.forward, GraphScope::DenseMlp);
  tensor(to.forward.mlp, "mlp reduce-scatter", &Communication::reduce_scatter, whole);
  Steps& backward = to.backward.mlp;
  tensor(backward, "mlp gradients all-gather", &Communication::all_gather, whole);
  tensor(backward, "mlp input all-gather", &Communication::all_gather, whole, true);
  compute(backward, "mlp backward", Phase::DenseMlp, sums.input, GraphScope::DenseMlp);
  tensor(backward, "mlp gradients reduce-scatter", &Communication::reduce_scatter, whole);
  compute(to.backward.mlp_weights, "mlp weights", Phase::DenseMlp, sums.weight,
          GraphScope::DenseMlp);
}

const std::array<Operation, 2>& LayerPassBuilder::expert(const MoeFfn& moe, std::int64_t rows,
                                                         bool alone) {
  auto& known = expert_products_[&moe];
  const auto found = known.find(rows);
  if (found != known.end()) return found->second;
  return known.emplace(rows, pricing_.expert(moe, rows, alone)).first->second;
}

Sums LayerPassBuilder::experts(const MoeFfn& moe, std::span<const std::int64_t> rows,
                               std::int64_t tokens) {
  const std::int64_t all = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  // Which expert has how many rows does not matter.
  std::vector<std::int64_t> sorted;
  for (const std::int64_t count : rows) sorted.push_back(filled_up(count, pricing_.aligned));
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  Operations ops =
      pricing_.between_experts(moe, std::accumulate(sorted.begin(), sorted.end(), std::int64_t{0}),
                               static_cast<std::int64_t>(rows.size()));
  std::array<Operation, 2> products{Operation{.module = Module::Expert, .phase = Phase::Experts}};
  products[1] = products[0];
  for (const std::int64_t count : sorted) {
    const auto& one = expert(moe, count, rows.size() == 1);
    for (std::size_t i = 0; i < products.size(); ++i) products[i] += one[i];
  }
  for (Operation& op : products) ops.push_back(std::move(op));
  // Sorted by expert, and back, unless there is one expert.
  if (rows.size() > 1 || in_.communication.delivers_sorted()) {
    for (Operation& op : pricing_.permute_there(all, tokens)) ops.push_back(std::move(op));
    for (Operation& op : pricing_.permute(all, tokens)) ops.push_back(std::move(op));
  }
  return sums_of(ops, within_sums(in_.question.recompute));
}

void LayerPassBuilder::add_moe(const MoeFfn& moe, std::size_t moe_index, std::uint32_t draw,
                               LayerPasses& to) {
  const Recompute recompute = within_sums(in_.question.recompute);
  const std::int64_t hidden = in_.group.model.hidden;
  const bool sharded = in_.routed.sharded(), by_choice = in_.routed.by_choice();
  const std::int64_t mine = sharded ? own_tokens_ : tokens_;  // that a rank routes
  LayerForward& f = to.forward;
  LayerBackward& b = to.backward;

  // Router, and what is copied to be sent: a row a choice, where the exchange's kernels do not.
  const Sums router = sums_of(pricing_.router(moe, mine), recompute);
  const bool permutes = sharded && !in_.communication.delivers_sorted();
  const Sums permute =
      permutes && by_choice ? sums_of(pricing_.permute(mine * moe.top_k, mine), recompute) : Sums{};
  const Sums preprocess = sums_of(pricing_.preprocess(mine), recompute);
  Work cast;
  if (const auto format = in_.communication.quantised_before(); format && sharded) {
    const LayerPricing plain{.kernels = in_.kernels,
                             .model = in_.group.model,
                             .precision = in_.group.formats,
                             .share = in_.share};
    cast = plain.quantise(mine, moe.dispatch_width(hidden), *format);
  }
  const std::size_t before_router = f.attention.size();
  const sim::Bytes whole = bytes_of(tokens_ * hidden);
  if (!sharded) tensor(f.attention, "tokens all-gather", &Communication::all_gather, whole);
  Work prepare = permute.forward;
  prepare += cast;
  compute(f.attention, "router", Phase::Router, router.forward, GraphScope::Router);
  compute(f.attention, "preprocess", Phase::Router, preprocess.forward, GraphScope::Preprocess);
  compute(f.attention, "permute", Phase::Router, prepare);
  // Backward the rows go where they went.
  const bool lays_out = sharded && in_.group.tokens == hardware::MulticastAlgorithm::DeepEpNormal;
  if (lays_out)
    compute(f.attention, "layout", Phase::Router,
            sums_of(pricing_.layout(moe, mine), recompute).forward);

  const RoutedLayer& routed = in_.routed.of(moe_index, moe, draw);
  // The host must know how many rows come before it can have them computed, and where a message is
  // a choice how many go where; where all have as many it does.
  const bool waits = !in_.question.is_filled();
  PassStep out{.what = "dispatch",
               .phase = index_of(Phase::Dispatch),
               .operations = kTokenOperations,
               .waits = waits};
  PassStep back{
      .what = "combine", .phase = index_of(Phase::Combine), .operations = kTokenOperations};
  out.exchanges = routed.dispatch;
  back.exchanges = routed.combine;
  to.selections = routed.selections, to.dropped = routed.dropped;
  std::vector<sim::Bytes> received;  // of each rank: its experts' rows, for the etp ranks
  PassStep work{.what = "experts", .phase = index_of(Phase::Experts)};
  work.waits = waits && (by_choice || !sharded);
  PassStep gradients = work, weights = work;
  gradients.waits = weights.waits = false;
  gradients.what = "experts backward", weights.what = "experts weights";
  for (Rank r = 0; r < in_.layout.ranks(); ++r) {
    const auto of = routed.rows.rows(r);
    to.rows.push_back(std::accumulate(of.begin(), of.end(), std::int64_t{0}));
    Sums sums = experts(moe, of, by_choice ? to.rows.back() : routed.rows.tokens(r));
    work.works.push_back(std::move(sums.forward));
    gradients.works.push_back(std::move(sums.input));
    weights.works.push_back(std::move(sums.weight));
    received.push_back(bytes_of(to.rows.back() * moe.dispatch_width(hidden)));
  }

  const bool beside = in_.question.overlap.shared_expert && sharded;
  const Sums shared = sums_of((beside ? beside_ : pricing_).shared(moe, mine, sharded), recompute);
  const auto swapped = [](PassStep step, const char* what, Phase phase) {
    step.what = what, step.phase = index_of(phase);
    step.waits = false;
    return step;
  };
  const auto compute_shared = [&](Steps& steps, const char* what, const Work& sum) {
    const std::size_t before = steps.size();
    compute(steps, what, Phase::SharedExpert, sum, GraphScope::SharedExperts);
    if (steps.size() > before) steps.back().beside = beside;
  };
  if (sharded) {
    b.combine.push_back(swapped(out, "combine backward", Phase::Combine));
    b.dispatch.push_back(swapped(back, "dispatch backward", Phase::Dispatch));
    if (lays_out) --out.operations;
    f.dispatch.push_back(std::move(out));
  }
  compute_shared(f.mlp, "shared expert", shared.forward);
  if (beside) compute_shared(b.combine, "shared expert backward", shared.input);
  const auto etp = [&](Steps& steps, const char* what, Collective how) {
    if (sharded) collective(steps, what, Over::ExpertTensor, how, received);
  };
  etp(f.mlp, "rows all-gather", &Communication::all_gather);
  f.mlp.push_back(std::move(work));
  etp(f.mlp, "rows reduce-scatter", &Communication::reduce_scatter);
  etp(b.mlp, "row gradients all-gather", &Communication::all_gather);
  b.mlp.push_back(std::move(gradients));
  etp(b.mlp, "row gradients reduce-scatter", &Communication::reduce_scatter);
  if (!beside) compute_shared(b.mlp, "shared expert backward", shared.input);
  b.mlp_weights.push_back(std::move(weights));
  compute_shared(beside ? b.shared_weights : b.mlp_weights, "shared expert weights", shared.weight);
  if (sharded) {
    f.combine.push_back(std::move(back));
  } else {
    tensor(f.mlp, "experts reduce-scatter", &Communication::reduce_scatter, whole);
    Steps gather;
    tensor(gather, "experts gradients all-gather", &Communication::all_gather, whole);
    b.mlp.insert(b.mlp.begin(), gather.begin(), gather.end());
    tensor(b.mlp, "experts gradients reduce-scatter", &Communication::reduce_scatter, whole);
  }
  compute(f.tail, "unpermute", Phase::Experts, permute.forward);
  compute(b.head, "unpermute backward", Phase::Experts, permute.input);

  // Backward, the router comes before attention.
  Steps first;
  compute(first, "permute backward", Phase::Router, permute.input);
  compute(first, "router backward", Phase::Router, router.input, GraphScope::Router);
  b.attention.insert(b.attention.begin(), first.begin(), first.end());
  compute(b.attention_weights, "router weights", Phase::Router, router.weight, GraphScope::Router);
  if (in_.question.recompute.moe && !in_.question.recompute.full) {
    b.again.assign(f.attention.begin() + static_cast<std::ptrdiff_t>(before_router),
                   f.attention.end());
    for (const Steps* part : {&f.dispatch, &f.mlp, &f.combine, &f.tail}) append(b.again, *part);
  }
}

}  // namespace moesim::workloads
