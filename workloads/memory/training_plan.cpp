#include "workloads/memory/training_plan.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"
#include "workloads/model/counts.h"

namespace moesim::workloads {

namespace {

constexpr double kElement = 2;  // activations in bf16

double number(std::int64_t n) {
  return static_cast<double>(n);
}

// Numbers that a layer keeps for its backward pass, for each token of a rank (before it is divided
// among tp by sequence or heads) or for each row of an expert.
struct Kept {
  double divided = 0;     // of a token, divided over tp
  double replicated = 0;  // of a token, on every tp rank
  double norms = 0;       // of `divided`: results of norms
  double attention = 0;   // of `divided`: queries, keys, values of latent attention
  double dense = 0;       // of `divided`: the dense FFN's inside
  double row = 0;         // of a row, in all
  double row_act = 0;     // of `row`: the result of the activation
};

Kept kept_by_mixer(const Mixer& mixer, double hidden) {
  Kept k;
  if (std::holds_alternative<NoMixer>(mixer)) return k;
  k.divided = 2 * hidden;  // what comes in, and its norm
  k.norms = hidden;
  if (const auto* g = std::get_if<GqaAttention>(&mixer)) {
    const double inside = number(g->query_width() + g->key_width() + g->value_width());
    k.divided += inside + number(g->output_width() + g->output_gate) +
                 2 * number(g->heads);  // fp32 log sums
    if (g->qk_norm != QkNorm::None) k.divided += number(g->query_width() + g->key_width());
  } else if (const auto* m = std::get_if<MlaAttention>(&mixer)) {
    const double inside = number(m->heads * (2 * m->query_head() + m->value_dim));
    k.attention = inside;
    k.divided += inside + number(m->heads * m->value_dim) + 2 * number(m->heads);
    // Each latent and its norm.
    k.replicated =
        2 * number(m->q_lora_rank) + 2 * number(m->kv_lora_rank) + 2 * number(m->rope_dim);
  } else if (const auto* c = std::get_if<CompressedAttention>(&mixer)) {
    k.divided +=
        2 * number(c->heads * c->head_dim) + number(c->output_groups * c->output_lora_rank);
    k.replicated = 2 * number(c->q_lora_rank) + 2 * number(c->head_dim);
  } else if (const auto* l = std::get_if<LinearAttention>(&mixer)) {
    k.divided +=
        2 * number(2 * l->key_heads * l->key_dim) + 4 * number(l->value_heads * l->value_dim);
  } else if (const auto* s = std::get_if<MambaMixer>(&mixer)) {
    k.divided += 4 * number(s->inner()) + 4 * number(s->groups * s->state);
  } else if (const auto* r = std::get_if<LstmMixer>(&mixer)) {
    k.divided += 6 * number(r->units);
  }
  return k;
}

void keep_ffn(const LayerKind& kind, double hidden, std::int64_t etp, Kept& k) {
  if (std::holds_alternative<NoFfn>(kind.ffn)) return;
  k.divided += 2 * hidden;
  k.norms += hidden;
  const auto inside = [](std::int64_t inter, bool gated) {
    return number(inter) * (gated ? 3 : 2);
  };
  if (const auto* d = std::get_if<DenseFfn>(&kind.ffn)) {
    k.dense = inside(d->inter, d->gated);
    k.divided += k.dense;
  } else if (const auto* moe = std::get_if<MoeFfn>(&kind.ffn)) {
    k.divided += inside(moe->shared_width(), moe->gated) + inside(moe->residual_inter, moe->gated);
    k.divided += 2 * number(moe->experts);  // fp32 scores
    k.row = number(moe->latent > 0 ? moe->latent : 0);
    if (k.row == 0) k.row = hidden;
    k.row += inside(moe->inter, moe->gated) / number(etp);
    k.row_act = number(moe->inter) / number(etp);
  }
}

class TrainingPlanner {
 public:
  TrainingPlanner(const ModelSpec& model, const Parallelism& layout, const TrainingLoad& load,
                  const hardware::Device& device)
      : model_(model),
        layout_(layout),
        load_(load),
        device_(device),
        tp_(number(layout.tp)),
        tokens_(number(load.micro_batch * load.sequence) / number(layout.cp)) {}

  TrainingMemory stage(LayerRange range, std::int64_t index, std::int64_t stages) const {
    const bool first = index == 0, last = index + 1 == stages;
    TrainingMemory gpu;
    states(range, first, last, gpu);
    gpu.microbatches_in_flight = microbatches_in_flight(load_, stages, index);

    double kept = 0, largest = 0, recomputed = 0;
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const LayerKind& kind = model_.layer(l);
      const double all = layer_bytes(kind, {});
      const double held = layer_bytes(kind, load_.recompute);
      kept += held;
      recomputed = std::max(recomputed, all - held);
      largest = std::max(largest, gradients_within(kind));
    }
    const double hidden_bytes = tokens_ * number(model_.hidden) * kElement;
    double temporaries = largest + recomputed + 2 * hidden_bytes / tp_;
    if (last && model_.head) {
      // Logits and their gradient in 16 bits, the gradient of the head's table, and where tokens
      // are divided the whole hidden states with their gradient.
      const double rows = number(model_.vocab) / tp_;
      const double head = tokens_ * rows * 2 * kElement + rows * number(model_.hidden) * kElement +
                          (layout_.tp > 1 ? 2 * hidden_bytes : 0);
      temporaries = std::max(temporaries, head + 2 * hidden_bytes / tp_);
    }
    const double in_flight = gpu.microbatches_in_flight;
    double peak = in_flight * kept + temporaries;
    if (first) {
      // At the end of a micro-batch's backward pass: the gradient of the embedding's table.
      const double table = number(model_.vocab) / tp_ * number(model_.hidden) * kElement;
      peak = std::max(peak, (in_flight - 1) * kept + table);
    }
    gpu.activations = whole(in_flight * kept);
    gpu.temporaries = whole(std::max(peak - in_flight * kept, 0.0) + placeholders(range));
    gpu.buffers = buffers(range);
    gpu.context = device_.context.count();
    return gpu;
  }

 private:
  static std::int64_t whole(double bytes) { return static_cast<std::int64_t>(std::llround(bytes)); }

  // Parameters of a layer on a rank: dense ones, and experts.
  struct Shares {
    double dense = 0, expert = 0;
  };
  Shares shares(const LayerKind& kind) const {
    const LayerParams p = layer_params(kind, model_.hidden);
    Shares s;
    for (const MixerParams& m : {p.mixer, p.cross}) {
      s.dense += number(m.by_heads + m.by_kv_heads) / tp_ + number(m.replicated + m.vectors);
    }
    s.dense += number(p.dense + p.shared) / tp_ + number(p.dense_vectors + p.shared_vectors);
    s.dense += number(p.router + p.router_vectors + p.latent + p.norms);
    s.expert = number(p.routed()) / number(layout_.ep * layout_.etp);
    return s;
  }

  void states(LayerRange range, bool first, bool last, TrainingMemory& gpu) const {
    Shares sum;
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const Shares s = shares(model_.layer(l));
      sum.dense += s.dense;
      sum.expert += s.expert;
    }
    const double table = number(model_.vocab) / tp_ * number(model_.hidden);
    if (first) sum.dense += table + number(model_.positions * model_.hidden + model_.other_params);
    if (last && model_.head && !(first && model_.tied_embeddings)) sum.dense += table;
    if (last) sum.dense += number(model_.final_norms * model_.hidden);

    // Dense parameters are replicated over dp and cp, experts over edp.
    const double dense_copies = number(layout_.dp * layout_.cp),
                 expert_copies = number(layout_.edp());
    const auto bytes = [&](double each, bool divided) {
      return whole(sum.dense * each / (divided ? dense_copies : 1) +
                   sum.expert * each / (divided ? expert_copies : 1));
    };
    const std::int64_t copies = load_.schedule == Schedule::DualPipe ? 2 : 1;
    gpu.weights = copies * bytes(load_.weight_bytes, load_.sharding == Sharding::Weights);
    gpu.gradients = copies * bytes(load_.gradient_bytes, load_.sharding == Sharding::Gradients ||
                                                             load_.sharding == Sharding::Weights);
    gpu.optimizer = bytes(load_.optimizer_bytes, load_.sharding != Sharding::None);
  }

  // Rows that the experts of a rank work on, for a micro-batch.
  double rows(const MoeFfn& moe) const {
    return tokens_ / tp_ * number(moe.top_k * layout_.etp) * load_.imbalance;
  }

  double layer_bytes(const LayerKind& kind, const Recompute& recompute) const {
    const double hidden = number(model_.hidden);
    if (recompute.full) return tokens_ * hidden / tp_ * kElement;
    Kept k = kept_by_mixer(kind.mixer, hidden);
    if (kind.cross) k.divided += kept_by_mixer(*kind.cross, hidden).divided;
    keep_ffn(kind, hidden, layout_.etp, k);
    if (recompute.mla_up_proj) k.divided -= k.attention;
    if (recompute.mlp) k.divided -= k.dense;
    if (recompute.layernorm) k.divided -= k.norms;
    if (recompute.moe) k.row = 0;
    if (recompute.moe_act && !recompute.moe) k.row -= k.row_act;
    const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
    const double of_rows = moe != nullptr ? rows(*moe) * k.row : 0;
    return kElement * (tokens_ * (k.divided / tp_ + k.replicated) + of_rows);
  }

  // The gradients inside the widest FFN while it is worked backwards.
  double gradients_within(const LayerKind& kind) const {
    if (const auto* d = std::get_if<DenseFfn>(&kind.ffn)) {
      return tokens_ / tp_ * number(d->inter) * (d->gated ? 3 : 2) * kElement;
    }
    if (const auto* moe = std::get_if<MoeFfn>(&kind.ffn)) {
      return rows(*moe) * number(moe->inter) / number(layout_.etp) * (moe->gated ? 3 : 2) *
             kElement;
    }
    return 0;
  }

  // Where gradients are accumulated in the GEMM itself, the framework keeps an empty 16-bit
  // gradient of each shape of matrix (Transformer Engine 2, get_dummy_wgrad): once for all layers
  // of a kind, once for all experts.
  double placeholders(LayerRange range) const {
    double sum = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // sizes that were counted: mixer, FFN
    const auto add = [&](int what, std::int64_t size, double share) {
      const std::pair<std::int64_t, std::int64_t> key{what, size};
      if (size == 0 || std::find(seen.begin(), seen.end(), key) != seen.end()) return;
      seen.push_back(key);
      sum += share;
    };
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const LayerParams p = layer_params(model_.layer(l), model_.hidden);
      add(0, p.mixer.matrices(),
          number(p.mixer.by_heads + p.mixer.by_kv_heads) / tp_ + number(p.mixer.replicated));
      add(1, p.dense, number(p.dense) / tp_);
      add(2, p.shared, number(p.shared) / tp_);
      add(3, p.expert, number(p.expert) / number(layout_.etp));
    }
    return sum * kElement;
  }

  std::int64_t buffers(LayerRange range) const {
    using hardware::nccl_buffer_bytes;
    const std::int64_t channels = load_.communication.nccl_channels;
    std::int64_t sum =
        nccl_buffer_bytes(layout_.tp, channels) + nccl_buffer_bytes(layout_.cp, channels) +
        nccl_buffer_bytes(layout_.dp, channels) + nccl_buffer_bytes(layout_.etp, channels);
    if (layout_.pp > 1) sum += nccl_buffer_bytes(2, channels);
    for (std::int64_t l = range.first; l < range.last; ++l) {
      if (model_.moe(l) != nullptr) return sum + hardware::nccl_all_to_all_bytes(layout_.ep);
    }
    return sum;
  }

  const ModelSpec& model_;
  const Parallelism& layout_;
  const TrainingLoad& load_;
  const hardware::Device& device_;
  double tp_;
  double tokens_;  // of a micro-batch on a cp rank
};

}  // namespace

double microbatches_in_flight(const TrainingLoad& load, std::int64_t stages, std::int64_t stage) {
  const double all = number(load.microbatches);
  switch (load.schedule) {
    case Schedule::GPipe:
      return all;
    case Schedule::OneForwardOneBackward:
      return std::min(all, number(stages - stage));
    case Schedule::Interleaved: {
      // Forwards of chunks before the first backward (Megatron-Core's schedules.py), and that one.
      const std::int64_t v = load.virtual_stages;
      const std::int64_t chunks = stages == 1 ? v : (stages - stage - 1) * 2 + (v - 1) * stages + 1;
      return std::min(all, number(chunks) / number(v));
    }
    case Schedule::DualPipe:
      return std::min(all, number(stages + 1));
  }
  return all;
}

TrainingPlan plan_training(const ModelSpec& model, const Parallelism& layout,
                           const TrainingLoad& load, const hardware::Device& device) {
  SIM_CHECK(check_layout(layout).empty(), "the layout was not checked");
  TrainingPlan plan;
  plan.capacity = device.memory.count();
  const TrainingPlanner planner(model, layout, load, device);
  const std::vector<LayerRange> ranges = split_stages(model, layout.pp);
  const auto stages = static_cast<std::int64_t>(ranges.size());
  for (std::int64_t s = 0; s < stages; ++s) {
    plan.stages.push_back(planner.stage(ranges[static_cast<std::size_t>(s)], s, stages));
    if (plan.stages.back().peak() > plan.gpu().peak()) plan.fullest = plan.stages.size() - 1;
  }
  return plan;
}

}  // namespace moesim::workloads
