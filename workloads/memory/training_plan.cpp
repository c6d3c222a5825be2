#include "workloads/memory/training_plan.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"
#include "workloads/memory/kept.h"
#include "workloads/model/counts.h"

namespace moesim::workloads {

namespace {

constexpr double kElement = 2;  // activations in bf16

// Of one logit at the peak of the loss. Megatron's fused loss has it and its gradient in 16 bits.
// PyTorch's cross_entropy of logits that are made fp32 keeps the logarithms of the softmax, and
// works their gradient and that of the logits beside them: three times 4 bytes.
double loss_bytes(Trainer trainer) {
  return trainer == Trainer::Torchtitan ? 12 : 2 * kElement;
}

// What the caching allocator holds beyond what it gave out. 8 % is fitted on one published peak
// (torchtitan#1993); of Megatron's runs the peaks that are compared are of what was given out.
double fragmentation(Trainer trainer) {
  return trainer == Trainer::Torchtitan ? 0.08 : 0;
}

double number(std::int64_t n) {
  return static_cast<double>(n);
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
      const double head = tokens_ * rows * loss_bytes(load_.trainer) +
                          rows * number(model_.hidden) * kElement +
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
    const bool titan = load_.trainer == Trainer::Torchtitan;
    gpu.temporaries = whole(std::max(peak - in_flight * kept, 0.0) +
                            (titan ? gathered(range) : placeholders(range)));
    gpu.fragmented = whole(fragmentation(load_.trainer) * static_cast<double>(gpu.allocated()));
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

  // Rows that the experts of a rank work on, for a micro-batch whose tokens are so many rows each.
  double rows(std::int64_t token_rows) const {
    return tokens_ / tp_ * number(token_rows * layout_.etp) * load_.imbalance;
  }

  double layer_bytes(const LayerKind& kind, const Recompute& recompute) const {
    if (recompute.full) return tokens_ * number(model_.hidden) / tp_ * kElement;
    Kept k = kept_for_backward(kind, model_.hidden, layout_.etp);
    if (recompute.mla_up_proj) k.divided -= k.attention;
    if (recompute.mlp) k.divided -= k.dense;
    if (recompute.layernorm) k.divided -= k.norms;
    if (recompute.moe) k.row = 0;
    if (recompute.moe_act && !recompute.moe) k.row -= k.row_act;
    return kElement * (tokens_ * (k.divided / tp_ + k.replicated) + rows(k.token_rows) * k.row);
  }

  // The gradients inside the FFN while it is worked backwards.
  double gradients_within(const LayerKind& kind) const {
    return std::visit([&](const auto& ffn) { return gradients(ffn); }, kind.ffn);
  }
  double gradients(const NoFfn&) const { return 0; }
  double gradients(const DenseFfn& dense) const {
    return inside_ffn(tokens_ / tp_ * number(dense.inter), dense.gated) * kElement;
  }
  double gradients(const MoeFfn& moe) const {
    return inside_ffn(rows(moe.top_k) * number(moe.inter) / number(layout_.etp), moe.gated) *
           kElement;
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

  // FSDP gathers the weights of a layer in 16 bits while the one before is worked, and has the
  // gradient of one whole before it is divided.
  double gathered(LayerRange range) const {
    if (load_.sharding != Sharding::Weights) return 0;
    double largest = 0;
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const Shares s = shares(model_.layer(l));
      largest = std::max(largest, s.dense + s.expert);
    }
    return 3 * largest * kElement;
  }

  std::int64_t buffers(LayerRange range) const {
    using hardware::nccl_buffer_bytes;
    const std::int64_t channels = load_.communication.nccl_channels;
    std::int64_t sum =
        nccl_buffer_bytes(layout_.tp, channels) + nccl_buffer_bytes(layout_.cp, channels) +
        nccl_buffer_bytes(layout_.dp, channels) + nccl_buffer_bytes(layout_.etp, channels);
    if (layout_.pp > 1) sum += nccl_buffer_bytes(2, channels);
    for (std::int64_t l = range.first; l < range.last; ++l) {
      if (exchanged_by(model_.layer(l).ffn, model_.hidden).experts == 0) continue;
      return sum + hardware::nccl_all_to_all_bytes(layout_.ep);
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

StateBytes state_bytes_of(Trainer trainer) {
  if (trainer == Trainer::Torchtitan) return {.weight = 4, .gradient = 4, .optimizer = 8};
  return {};
}

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
