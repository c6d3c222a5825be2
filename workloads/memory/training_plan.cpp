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

  TrainingMemory stage(const RankShare& share) {
    imbalance_ = share.imbalance;
    TrainingMemory gpu;
    states(share, gpu);
    gpu.microbatches_in_flight = share.in_flight;

    const bool titan = load_.trainer == Trainer::Torchtitan;
    const Whole whole_weights = titan ? Whole{} : whole_of(share);
    double kept = 0, largest = 0, recomputed = 0;
    for (const LayerKind* kind : kinds(share)) {
      const double all = layer_bytes(*kind, {});
      const double held = layer_bytes(*kind, load_.recompute);
      kept += held;
      recomputed = std::max(recomputed, all - held);
      largest = std::max(largest, gradients_within(*kind));
    }
    const double hidden_bytes = tokens_ * number(model_.hidden) * kElement;
    double temporaries = largest + recomputed + 2 * hidden_bytes / tp_ + whole_weights.layers;
    if (share.loss && model_.head) {
      // Logits and their gradient in 16 bits, the gradient of the head's table, and where tokens
      // are divided the whole hidden states with their gradient.
      const double rows = number(model_.vocab) / tp_;
      const double head = tokens_ * rows * loss_bytes(load_.trainer) +
                          rows * number(model_.hidden) * kElement +
                          (layout_.tp > 1 ? 2 * hidden_bytes : 0) + whole_weights.head;
      temporaries = std::max(temporaries, head + 2 * hidden_bytes / tp_);
    }
    const double in_flight = gpu.microbatches_in_flight;
    double peak = in_flight * kept + temporaries;
    if (share.embedding) {
      // At the end of a micro-batch's backward pass: the gradient of the embedding's table.
      const double table = number(model_.vocab) / tp_ * number(model_.hidden) * kElement;
      peak = std::max(peak, (in_flight - 1) * kept + table + whole_weights.embedding);
    }
    gpu.activations = whole(in_flight * kept);
    gpu.temporaries = whole(std::max(peak - in_flight * kept, 0.0) +
                            (titan ? gathered(share) : placeholders(share)));
    gpu.fragmented = whole(fragmentation(load_.trainer) * static_cast<double>(gpu.allocated()));
    gpu.buffers = buffers(share);
    gpu.context = device_.context.count();
    return gpu;
  }

 private:
  static std::int64_t whole(double bytes) { return static_cast<std::int64_t>(std::llround(bytes)); }

  // The layers of a share, those of predictions last.
  std::vector<const LayerKind*> kinds(const RankShare& share) const {
    std::vector<const LayerKind*> list;
    for (const LayerRange& range : share.layers)
      for (std::int64_t l = range.first; l < range.last; ++l) list.push_back(&model_.layer(l));
    for (std::int64_t i = 0; i < share.predictions; ++i)
      list.push_back(&model_.kinds[model_.prediction_kind]);
    return list;
  }

  // Ranks that divide a parameter: dense ones are replicated over dp and cp, experts over edp; with
  // a group, the same part of each.
  RankParameters sharers() const {
    const double dense = number(layout_.dp * layout_.cp), expert = number(layout_.edp());
    if (load_.sharding_group == 0) return {dense, expert};
    const double part = std::min(1.0, number(load_.sharding_group) / dense);
    return {std::max(1.0, dense * part), std::max(1.0, expert * part)};
  }

  void states(const RankShare& share, TrainingMemory& gpu) const {
    const RankParameters sum = parameters_of(model_, layout_, share);
    const RankParameters sharers = this->sharers();
    const auto bytes = [&](double each, bool divided) {
      return whole(sum.dense * each / (divided ? sharers.dense : 1) +
                   sum.expert * each / (divided ? sharers.expert : 1));
    };
    const std::int64_t copies = load_.schedule == Schedule::DualPipe ? 2 : 1;
    gpu.weights = copies * bytes(load_.weight_bytes, load_.sharding == Sharding::Weights);
    gpu.gradients = copies * bytes(load_.gradient_bytes, load_.sharding == Sharding::Gradients ||
                                                             load_.sharding == Sharding::Weights);
    gpu.optimizer = bytes(load_.optimizer_bytes, load_.sharding != Sharding::None);
  }

  // Rows that the experts of a rank work on, for a micro-batch whose tokens are so many rows each.
  double rows(std::int64_t token_rows) const {
    return tokens_ / tp_ * number(token_rows * layout_.etp) * imbalance_;
  }

  double layer_bytes(const LayerKind& kind, const Recompute& recompute) const {
    if (recompute.full) return tokens_ * number(model_.hidden) / tp_ * kElement;
    Kept k = kept_for_backward(kind, model_.hidden, layout_.etp);
    if (recompute.mla_up_proj) k.divided -= k.attention;
    if (recompute.mlp) k.divided -= k.dense;
    if (recompute.layernorm) k.divided -= k.norms;
    if (recompute.shared_experts) k.divided -= k.shared;
    if (recompute.moe) k.row = 0;
    if (recompute.moe_act && !recompute.moe) k.row -= k.row_act;
    return kElement * tokens_ * (k.divided / tp_ + k.replicated) +
           load_.row_bytes * rows(k.token_rows) * k.row;
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
  double placeholders(const RankShare& share) const {
    double sum = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // sizes that were counted: mixer, FFN
    const auto add = [&](int what, std::int64_t size, double part) {
      const std::pair<std::int64_t, std::int64_t> key{what, size};
      if (size == 0 || std::find(seen.begin(), seen.end(), key) != seen.end()) return;
      seen.push_back(key);
      sum += part;
    };
    for (const LayerKind* kind : kinds(share)) {
      const LayerParams p = layer_params(*kind, model_.hidden);
      add(0, p.mixer.matrices(),
          number(p.mixer.by_heads + p.mixer.by_kv_heads) / tp_ + number(p.mixer.replicated));
      add(1, p.dense, number(p.dense) / tp_);
      add(2, p.shared, number(p.shared) / tp_);
      add(3, p.expert, number(p.expert) / number(layout_.etp));
    }
    return sum * kElement;
  }

  // Bytes of sharded weights and gradients that are whole on a GPU, beside its part of them: while
  // its fullest layer is worked backwards, the head is, and the embedding is.
  struct Whole {
    double layers = 0, head = 0, embedding = 0;
  };
  // A layer is a unit, as it is in the step's time: while one is worked backwards the one before is
  // gathered, and its own gradient is whole until it is divided. Beside the head the last layer is
  // gathered; of the tables the gradients are counted where they are made.
  Whole whole_of(const RankShare& share) const {
    const bool weights = load_.sharding == Sharding::Weights;
    if (!weights && load_.sharding != Sharding::Gradients) return {};
    const auto [dense_sharers, expert_sharers] = sharers();
    // What one rank has by itself is whole anyway.
    const auto apart = [dense = dense_sharers > 1,
                        expert = expert_sharers > 1](const RankParameters& p) {
      return (dense ? p.dense : 0) + (expert ? p.expert : 0);
    };
    std::vector<double> units;
    for (const LayerRange& range : share.layers)
      for (std::int64_t l = range.first; l < range.last; ++l)
        units.push_back(apart(parameters_of(model_, layout_, {.layers = {{l, l + 1}}})));
    if (share.predictions > 0) {
      RankParameters prediction =
          parameters_of(model_, layout_, {.embedding = true, .predictions = 1});
      prediction.dense -= parameters_of(model_, layout_, {.embedding = true}).dense;
      units.insert(units.end(), static_cast<std::size_t>(share.predictions), apart(prediction));
    }
    const double weight = weights ? std::min(load_.weight_bytes, kElement) : 0;
    const double table =
        dense_sharers > 1 ? weight * number(model_.vocab) / tp_ * number(model_.hidden) : 0;
    Whole whole{.head = table, .embedding = table};
    for (std::size_t i = 0; i < units.size(); ++i)
      whole.layers = std::max(whole.layers, weight * (units[i] + (i > 0 ? units[i - 1] : 0)) +
                                                load_.gradient_bytes * units[i]);
    if (!units.empty()) whole.head += weight * units.back();
    return whole;
  }

  // FSDP gathers the weights of a layer in 16 bits while the one before is worked, and has the
  // gradient of one whole before it is divided.
  double gathered(const RankShare& share) const {
    if (load_.sharding != Sharding::Weights) return 0;
    double largest = 0;
    for (const LayerRange& range : share.layers) {
      for (std::int64_t l = range.first; l < range.last; ++l) {
        const RankParameters layer = parameters_of(model_, layout_, {.layers = {{l, l + 1}}});
        largest = std::max(largest, layer.dense + layer.expert);
      }
    }
    return 3 * largest * kElement;
  }

  std::int64_t buffers(const RankShare& share) const {
    using hardware::nccl_buffer_bytes;
    const std::int64_t channels = load_.communication.nccl_channels;
    std::int64_t sum =
        nccl_buffer_bytes(layout_.tp, channels) + nccl_buffer_bytes(layout_.cp, channels) +
        nccl_buffer_bytes(layout_.dp, channels) + nccl_buffer_bytes(layout_.etp, channels);
    if (layout_.pp > 1) sum += nccl_buffer_bytes(2, channels);
    for (const LayerKind* kind : kinds(share)) {
      const Exchanged tokens = exchanged_by(kind->ffn, model_.hidden);
      if (tokens.experts == 0) continue;
      return sum + hardware::multicast_bytes(load_.communication, layout_.ep, tokens.width,
                                             tokens.experts);
    }
    return sum;
  }

  const ModelSpec& model_;
  const Parallelism& layout_;
  const TrainingLoad& load_;
  const hardware::Device& device_;
  double tp_;
  double tokens_;  // of a micro-batch on a cp rank
  double imbalance_ = 1;
};

}  // namespace

RankParameters parameters_of(const ModelSpec& model, const Parallelism& layout,
                             const RankShare& share) {
  const double tp = number(layout.tp);
  RankParameters sum;
  const auto add = [&](const LayerKind& kind) {
    const LayerParams p = layer_params(kind, model.hidden);
    for (const MixerParams& m : {p.mixer, p.cross})
      sum.dense += number(m.by_heads + m.by_kv_heads) / tp + number(m.replicated + m.vectors);
    sum.dense += number(p.dense + p.shared) / tp + number(p.dense_vectors + p.shared_vectors);
    sum.dense += number(p.router + p.router_vectors + p.latent + p.norms);
    sum.expert += number(p.routed()) / number(layout.ep * layout.etp);
  };
  for (const LayerRange& range : share.layers)
    for (std::int64_t l = range.first; l < range.last; ++l) add(model.layer(l));
  for (std::int64_t i = 0; i < share.predictions; ++i) {
    add(model.kinds[model.prediction_kind]);
    sum.dense += number(2 * model.hidden * model.hidden) / tp + number(2 * model.hidden);
  }
  const double table = number(model.vocab) / tp * number(model.hidden);
  if (share.embedding)
    sum.dense += table + number(model.positions * model.hidden + model.other_params);
  if (share.loss && model.head && !(share.embedding && model.tied_embeddings)) sum.dense += table;
  // A prediction looks the next token up, in a copy where the stage has none.
  const bool has_table = share.embedding || (share.loss && model.head && model.tied_embeddings);
  if (share.predictions > 0 && !has_table) sum.dense += table;
  if (share.loss) sum.dense += number(model.final_norms * model.hidden);
  return sum;
}

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
                           const std::vector<RankShare>& shares, const TrainingLoad& load,
                           const hardware::Device& device) {
  SIM_CHECK(check_layout(layout).empty(), "the layout was not checked");
  TrainingPlan plan;
  plan.capacity = device.memory.count();
  TrainingPlanner planner(model, layout, load, device);
  for (const RankShare& share : shares) {
    plan.stages.push_back(planner.stage(share));
    if (plan.stages.back().peak() > plan.gpu().peak()) plan.fullest = plan.stages.size() - 1;
  }
  return plan;
}

TrainingPlan plan_training(const ModelSpec& model, const Parallelism& layout,
                           const TrainingLoad& load, const hardware::Device& device) {
  const std::vector<LayerRange> ranges = split_stages(model, layout.pp);
  const auto stages = static_cast<std::int64_t>(ranges.size());
  std::vector<RankShare> shares;
  for (std::int64_t s = 0; s < stages; ++s) {
    shares.push_back({.layers = {ranges[static_cast<std::size_t>(s)]},
                      .embedding = s == 0,
                      .loss = s + 1 == stages,
                      .in_flight = microbatches_in_flight(load, stages, s),
                      .imbalance = load.imbalance});
  }
  return plan_training(model, layout, shares, load, device);
}

}  // namespace moesim::workloads
