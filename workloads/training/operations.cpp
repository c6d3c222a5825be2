#include "workloads/training/operations.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hardware/kernels/training_product.h"
#include "sim/check.h"
#include "workloads/step/layer_work.h"

namespace moesim::workloads {

using hardware::GemmShape;
using hardware::KernelCost;
using hardware::Precision;

namespace {

constexpr std::int64_t kElement = 2;  // bytes of an activation: bf16
constexpr std::int64_t kCast = 3;     // bytes a number: read in 16 bits, written in 8
// Of a token that passes a small kernel: those 37 of DeepSeek's chunk that are no product, norm,
// cast or copy take 6.6 us each for 4,096 tokens (deepseek-ai/profile-data@4496024).
constexpr std::int64_t kSmallBytes = 2048;
// How many there are: copies, splits and sums of attention; scores, masks and losses of a router;
// maps and counts of rows; bookkeeping of experts. With them a layer of Qwen3-30B-A3B has the 151
// kernels that Megatron-Core counts, forward and backward, of which 31 are the router's where it is
// fused (arXiv 2603.07685).
constexpr SmallKernels kAttentionSmall{10, 16}, kRouterSmall{7, 8}, kPreprocessSmall{11, 0},
    kExpertsSmall{5, 7};

// Rows of a group are a multiple of: for loads of 16 bytes (Megatron-LM, get_fp8_align_size, which
// has 32 for MXFP8); of a tile of DeepGEMM's contiguous layout.
constexpr std::int64_t kEightBitRows = 16, kDeepGemmRows = 128;

// DeepEP counts a rank's rows for each rank and expert before it dispatches them (its
// get_dispatch_layout): blocks that each read all tokens, 102.5 us for 4,096 of them, its launch
// among them, in the mean of four layers of DeepSeek's chunk (deepseek-ai/profile-data@4496024).
// What was fitted on tables of its kernels has none of it (aiconfigurator calls it before).
constexpr sim::Duration kLayoutPerToken{24'400};
constexpr std::int64_t kIdBytes = 8;

KernelCost slowed(KernelCost cost, double times) {
  if (times != 1 && cost.bound == hardware::Bound::Compute)
    cost.time = sim::Duration(std::llround(static_cast<double>(cost.time.count()) * times));
  return cost;
}

bool below_16_bits(Precision p) {
  return hardware::bytes_per_element(p) < 2;
}

}  // namespace

std::int64_t aligned_to(const hardware::KernelChoice& kernels, const Formats& formats) {
  if (!below_16_bits(formats.experts)) return 1;
  return kernels.gemm == "deepgemm" ? kDeepGemmRows : kEightBitRows;
}

bool trains(const Mixer& mixer) {
  if (const auto* gqa = std::get_if<GqaAttention>(&mixer)) return gqa->index.top_k == 0;
  if (const auto* mla = std::get_if<MlaAttention>(&mixer)) return mla->index.top_k == 0;
  return std::holds_alternative<NoMixer>(mixer);
}

bool is_recomputed(Module module, const Recompute& r) {
  if (r.full) return true;
  switch (module) {
    case Module::Norm:
      return r.layernorm;
    case Module::UpProjection:
      return r.mla_up_proj;
    case Module::Core:
      return r.core_attn;
    case Module::Router:
    case Module::Preprocess:
    case Module::Permute:
    case Module::Expert:
      return r.moe;
    case Module::Activation:
      return r.moe || r.moe_act;
    case Module::Shared:
      return r.moe || r.shared_experts;
    case Module::Dense:
      return r.mlp;
    case Module::Projection:
    case Module::Table:
      return false;
  }
  SIM_CHECK(false, "a module is not listed");
}

Operation& Operation::operator+=(const Operation& other) {
  forward += other.forward;
  input += other.input;
  weight += other.weight;
  return *this;
}

Sums sums_of(const Operations& operations, const Recompute& recompute) {
  Sums sums;
  for (const Operation& op : operations) {
    sums.forward += op.forward;
    // Embedding and head are in no layer: nothing recomputes them.
    if (op.module != Module::Table && is_recomputed(op.module, recompute)) sums.input += op.forward;
    sums.input += op.input;
    sums.weight += op.weight;
  }
  return sums;
}

void OperationPricing::add_product(Operation& to, std::int64_t m, std::int64_t n, std::int64_t k,
                                   Precision precision, Arrives arrives) const {
  if (m == 0 || n == 0 || k == 0) return;
  const hardware::TrainingProduct product{.m = m,
                                          .n = n,
                                          .k = k,
                                          .precision = precision,
                                          .accumulate_bytes = accumulate_bytes,
                                          .x_cast = arrives.x,
                                          .dy_cast = arrives.dy};
  const auto cast = [&](std::int64_t numbers) {
    return kernels.elementwise({.bytes = sim::Bytes(kCast * numbers)}, share);
  };
  const std::array<KernelCost, 3> passes = costs(product, arrives.grouped);
  to.forward += passes[0];
  to.input += passes[1];
  to.weight += passes[2];
  if (!below_16_bits(precision)) return;
  // What comes in 8 bits is cast by columns when it is needed.
  (arrives.x ? to.input : to.forward) += cast(m * k);
  to.input += cast(m * n);
}

std::array<KernelCost, 3> OperationPricing::costs(const hardware::TrainingProduct& product,
                                                  bool in_group) const {
  using enum hardware::ProductPass;
  if (in_group && grouped.know(product.precision))
    return {grouped.cost(product, Forward, share), grouped.cost(product, Input, share),
            grouped.cost(product, Weight, share)};
  const auto sustained = [&](const KernelCost& cost) {
    return product.precision == Precision::BF16 ? slowed(cost, slowdown) : cost;
  };
  KernelCost weight = sustained(product_weight(kernels, product, share));
  const KernelCost sum = product_sum(kernels, product, share);
  weight.bytes += sum.bytes;
  weight.time += sum.time;
  return {sustained(product_forward(kernels, product, share)),
          sustained(product_input(kernels, product, share)), weight};
}

Operation OperationPricing::product(Module module, Phase phase, std::int64_t m, std::int64_t n,
                                    std::int64_t k, Precision precision) const {
  Operation op{.module = module, .phase = phase};
  add_product(op, m, n, k, precision);
  return op;
}

Work OperationPricing::touch(std::int64_t numbers) const {
  Work work;
  if (numbers > 0) work += kernels.elementwise({.bytes = sim::Bytes(kElement * numbers)}, share);
  return work;
}

Operation OperationPricing::touched(Module module, Phase phase, std::int64_t forward,
                                    std::int64_t backward) const {
  return {.module = module, .phase = phase, .forward = touch(forward), .input = touch(backward)};
}

// With the residual's addition: reads two vectors, writes two.
Operation OperationPricing::norm(Phase phase, std::int64_t tokens) const {
  return touched(Module::Norm, phase, 4 * tokens * model.hidden, 6 * tokens * model.hidden);
}

Operation OperationPricing::layer_norm(Phase phase, std::int64_t tokens) const {
  const bool none =
      std::ranges::all_of(model.kinds, [](const LayerKind& kind) { return kind.norms == 0; });
  return none ? Operation{.module = Module::Norm, .phase = phase} : norm(phase, tokens);
}

Operation OperationPricing::small(SmallKernels count, Module module, Phase phase,
                                  std::int64_t tokens) const {
  const auto work = [&](std::int64_t launches) {
    Work sum;
    if (launches == 0) return sum;
    KernelCost cost = kernels.elementwise(
        {.bytes = sim::Bytes(launches * tokens * kSmallBytes), .launches = launches}, share);
    cost.launches = launches;
    sum += cost;
    return sum;
  };
  return {.module = module,
          .phase = phase,
          .forward = work(count.forward),
          .input = work(count.backward)};
}

Operations OperationPricing::feed_forward(Module module, Phase phase, std::int64_t tokens,
                                          std::int64_t inter, bool gated,
                                          Precision precision) const {
  if (tokens == 0 || inter == 0) return {};
  const std::int64_t up = gated ? 2 * inter : inter;
  return {product(module, phase, tokens, up, model.hidden, precision),
          // Backward: reads what the first product gave and the gradient, writes the former's.
          touched(module, phase, tokens * (up + inter), tokens * (2 * up + inter)),
          product(module, phase, tokens, model.hidden, inter, precision)};
}

Operations OperationPricing::dense(const DenseFfn& ffn, std::int64_t tokens) const {
  Operations ops{layer_norm(Phase::DenseMlp, split(tokens, tp))};
  for (Operation& op : feed_forward(Module::Dense, Phase::DenseMlp, tokens, split(ffn.inter, tp),
                                    ffn.gated, formats.dense_ffn))
    ops.push_back(std::move(op));
  return ops;
}

Operations OperationPricing::router(const MoeFfn& moe, std::int64_t tokens) const {
  // bf16 in, fp32 out and in arithmetic that is no slower than TF32's.
  Operation scores =
      product(Module::Router, Phase::Router, tokens, moe.experts, model.hidden, formats.other);
  Work choice;
  choice += kernels.elementwise(
      {.bytes = sim::Bytes(tokens * (moe.experts * 3 * 4 + 8 * moe.top_k)), .launches = 1}, share);
  return {layer_norm(Phase::Router, tokens),
          std::move(scores),
          {.module = Module::Router, .phase = Phase::Router, .forward = choice, .input = choice},
          small(kRouterSmall, Module::Router, Phase::Router, tokens)};
}

Operations OperationPricing::shared(const MoeFfn& moe, std::int64_t tokens, bool whole) const {
  const std::int64_t width = moe.shared_width() + moe.residual_inter;
  return feed_forward(Module::Shared, Phase::SharedExpert, tokens, whole ? width : split(width, tp),
                      moe.gated, formats.shared_experts);
}

std::array<Operation, 2> OperationPricing::expert(const MoeFfn& moe, std::int64_t rows,
                                                  bool alone) const {
  const std::int64_t inter = split(moe.inter, etp), up = moe.gated ? 2 * inter : inter;
  const std::int64_t width = moe.dispatch_width(model.hidden);
  Operation first{.module = Module::Expert, .phase = Phase::Experts};
  Operation second = first;
  const bool low = sends_low();
  add_product(first, rows, up, width, formats.experts, {.x = low, .grouped = !alone});
  add_product(second, rows, width, inter, formats.experts, {.dy = low, .grouped = !alone});
  return {std::move(first), std::move(second)};
}

Operations OperationPricing::between_experts(const MoeFfn& moe, std::int64_t rows,
                                             std::int64_t experts) const {
  if (rows == 0) return {};
  const std::int64_t inter = split(moe.inter, etp), up = moe.gated ? 2 * inter : inter;
  Operations ops{
      touched(Module::Activation, Phase::Experts, rows * (up + inter), rows * (2 * up + inter)),
      small(kExpertsSmall, Module::Expert, Phase::Experts, 0)};
  if (moe.bias) ops.push_back(biases(moe, rows, experts));
  return ops;
}

Operation OperationPricing::biases(const MoeFfn& moe, std::int64_t rows,
                                   std::int64_t experts) const {
  // Bytes of a number of a row. Forward: the product written (4), added (2 + 4, 4), joined (4, 4),
  // cast (4, 2). Backward: cast (2, 4), times the bias and times the weight (4, 4 each), summed
  // over a row and over an expert's rows (4 each), cast (4, 2).
  constexpr std::int64_t kForward = 28, kBackward = 36;
  const std::int64_t numbers = rows * moe.dispatch_width(model.hidden);
  const auto work = [&](std::int64_t bytes, std::int64_t launches) {
    Work sum;
    KernelCost cost =
        kernels.elementwise({.bytes = sim::Bytes(bytes * numbers), .launches = launches}, share);
    cost.launches = launches;
    sum += cost;
    return sum;
  };
  return {.module = Module::Expert,
          .phase = Phase::Experts,
          .forward = work(kForward, 2 * experts + 2),
          .input = work(kBackward, 7 * experts + 3)};
}

Operations OperationPricing::experts(const MoeFfn& moe, std::span<const std::int64_t> rows) const {
  std::int64_t all = 0;
  for (const std::int64_t count : rows) all += filled_up(count, aligned);
  Operations ops = between_experts(moe, all, static_cast<std::int64_t>(rows.size()));
  Operation first{.module = Module::Expert, .phase = Phase::Experts};
  Operation second = first;
  for (const std::int64_t count : rows) {
    const auto products = expert(moe, filled_up(count, aligned), rows.size() == 1);
    first += products[0];
    second += products[1];
  }
  ops.push_back(std::move(first));
  ops.push_back(std::move(second));
  return ops;
}

Operations OperationPricing::preprocess(std::int64_t tokens) const {
  return {small(kPreprocessSmall, Module::Preprocess, Phase::Router, tokens)};
}

Operations OperationPricing::layout(const MoeFfn& moe, std::int64_t tokens) const {
  Operation op{.module = Module::Preprocess, .phase = Phase::Router};
  KernelCost cost =
      kernels.elementwise({.bytes = sim::Bytes(kIdBytes * moe.top_k * tokens)}, share);
  cost.time += kLayoutPerToken * tokens;
  op.forward += cost;
  return {std::move(op)};
}

Operations OperationPricing::permute(std::int64_t rows, std::int64_t tokens) const {
  const std::int64_t numbers = (rows + tokens) * model.hidden;
  return {touched(Module::Permute, Phase::Experts, numbers, numbers)};
}

bool OperationPricing::sends_low() const {
  return below_16_bits(formats.experts) && below_16_bits(formats.dispatch);
}

Operations OperationPricing::permute_there(std::int64_t rows, std::int64_t tokens) const {
  const std::int64_t numbers = (rows + tokens) * model.hidden;
  const std::int64_t moved = sends_low() ? numbers / 2 : numbers;  // of 16 bits
  return {touched(Module::Permute, Phase::Experts, moved, moved)};
}

Operations OperationPricing::embedding(std::int64_t tokens) const {
  if (model.vocab == 0) return {};
  Operation op = touched(Module::Table, Phase::Other, 2 * tokens * model.hidden, 0);
  // Gradients are added to the table's in fp32: read 2, read and write 4.
  op.weight = touch(5 * tokens * model.hidden);
  return {std::move(op)};
}

Operations OperationPricing::head(std::int64_t tokens) const {
  if (!model.head) return {};
  Operation last = norm(Phase::Head, split(tokens, tp));
  last.module = Module::Table;
  const std::int64_t columns = split(model.vocab, tp);
  // The loss reads the logits twice (their largest, their sum) and backward rewrites them.
  return {std::move(last),
          product(Module::Table, Phase::Head, tokens, columns, model.hidden, formats.other),
          touched(Module::Table, Phase::Head, 2 * tokens * columns, 2 * tokens * columns)};
}

Operations OperationPricing::prediction_input(std::int64_t tokens) const {
  Operation both = norm(Phase::Head, split(2 * tokens, tp));
  return {std::move(both), product(Module::Projection, Phase::Head, tokens, split(model.hidden, tp),
                                   2 * model.hidden, formats.attention)};
}

// A layer's mixer, by its kind.
struct MixerOperations {
  const OperationPricing& pricing;
  std::int64_t sequences, length;  // tokens of a whole sequence
  std::int64_t tokens;             // of a cp rank
  bool causal = true;
  Operations ops = {};

  void operator()(const NoMixer&) {}

  void operator()(const GqaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing.tp), kv_heads = split(a.kv_heads, pricing.tp);
    const std::int64_t queries = heads * a.head_dim, keys = kv_heads * a.head_dim;
    const std::int64_t values = a.key_is_value ? 0 : kv_heads * a.value_head();
    const std::int64_t gate = split(a.output_gate, pricing.tp);
    const std::int64_t others = gate + (a.reuses_cache ? 0 : keys + values);
    add(pricing.layer_norm(Phase::Attention, split(tokens, pricing.tp)));
    if (a.query_rank > 0) {
      linear(Module::Projection, a.query_rank + others, pricing.model.hidden);
      linear(Module::Projection, queries, a.query_rank);
    } else {
      linear(Module::Projection, queries + others, pricing.model.hidden);
    }
    if (a.qk_norm != QkNorm::None) touch(Module::Projection, 2 * (queries + keys));
    touch(Module::Projection, 2 * (queries + keys));  // rotation
    core({.sequences = sequences,
          .queries = split(length, pricing.cp),
          .keys = length,
          .heads = heads,
          .kv_heads = kv_heads,
          .qk_dim = a.head_dim,
          .v_dim = a.value_head(),
          .window = a.window});
    add(pricing.small(kAttentionSmall, Module::Projection, Phase::Attention, tokens));
    if (gate > 0) touch(Module::Projection, 2 * heads * a.value_head() + gate);
    linear(Module::Projection, pricing.model.hidden, heads * a.value_head());
  }

  void operator()(const MlaAttention& a) {
    const std::int64_t heads = split(a.heads, pricing.tp);
    add(pricing.layer_norm(Phase::Attention, split(tokens, pricing.tp)));
    // Down: weights whole on each tp rank, which has its own tokens. Up: by heads, all tokens.
    const std::int64_t own = split(tokens, pricing.tp);
    const bool latent = a.q_lora_rank > 0;
    const std::int64_t queries = heads * a.query_head();
    if (!latent) linear(Module::Projection, queries, pricing.model.hidden);
    linear(Module::Projection, (latent ? a.q_lora_rank : 0) + a.cache_width(), pricing.model.hidden,
           own);
    touch(Module::Norm, 2 * (a.q_lora_rank + a.cache_width()));
    if (latent) linear(Module::UpProjection, queries, a.q_lora_rank);
    linear(Module::UpProjection, heads * (a.nope_dim + a.value_dim), a.kv_lora_rank);
    // Rotated, and copied to where the core reads heads of one width.
    touch(Module::UpProjection, 2 * heads * a.rope_dim + heads * (2 * a.nope_dim + a.rope_dim));
    core({.sequences = sequences,
          .queries = split(length, pricing.cp),
          .keys = length,
          .heads = heads,
          .kv_heads = heads,
          .qk_dim = a.query_head(),
          .v_dim = a.value_dim});
    add(pricing.small(kAttentionSmall, Module::Projection, Phase::Attention, tokens));
    if (a.output_gate) {
      linear(Module::Projection, heads * a.value_dim, pricing.model.hidden);
      touch(Module::Projection, 3 * heads * a.value_dim);
    }
    linear(Module::Projection, pricing.model.hidden, heads * a.value_dim);
  }

  template <class Other>
  void operator()(const Other&) {
    SIM_CHECK(false, "a mixer that is not trained");
  }

 private:
  void add(Operation op) { ops.push_back(std::move(op)); }
  void linear(Module module, std::int64_t n, std::int64_t k) { linear(module, n, k, tokens); }
  void linear(Module module, std::int64_t n, std::int64_t k, std::int64_t m) {
    add(pricing.product(module, Phase::Attention, m, n, k, pricing.formats.attention));
  }
  // Numbers a token, in place: backward as many.
  void touch(Module module, std::int64_t numbers) {
    add(pricing.touched(module, Phase::Attention, tokens * numbers, tokens * numbers));
  }
  void core(hardware::TrainingAttentionShape shape) {
    shape.causal = causal;
    Operation op{.module = Module::Core, .phase = Phase::Attention};
    op.forward += slowed(pricing.cores.forward(shape, pricing.share), pricing.core_slowdown);
    op.input += slowed(pricing.cores.backward(shape, pricing.share), pricing.core_slowdown);
    add(std::move(op));
  }
};

Operations OperationPricing::mixer(const Mixer& mixer, std::int64_t sequences, std::int64_t tokens,
                                   bool causal) const {
  SIM_CHECK(trains(mixer), "a mixer that is not trained");
  MixerOperations operations{*this, sequences, tokens, sequences * split(tokens, cp), causal};
  std::visit(operations, mixer);
  return std::move(operations.ops);
}

// Keys and values are projections of the encoder's result: as many products as of its own tokens.
Operations OperationPricing::cross(const GqaAttention& attention, std::int64_t sequences,
                                   std::int64_t tokens) const {
  return mixer(attention, sequences, tokens, false);
}

}  // namespace moesim::workloads
