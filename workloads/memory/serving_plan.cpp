#include "workloads/memory/serving_plan.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"
#include "workloads/memory/kept.h"
#include "workloads/memory/largest.h"
#include "workloads/memory/most_bytes.h"

namespace moesim::workloads {

namespace {

using hardware::bytes_per_element;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

class Planner {
 public:
  Planner(const ModelSpec& model, const Parallelism& layout, const ServingOptions& options,
          const ServingLoad& load, const hardware::Device& device)
      : model_(model), layout_(layout), options_(options), load_(load), device_(device) {}

  GpuMemory stage(LayerRange range, bool first, bool last) const {
    GpuMemory gpu;
    WeightBytes sum;
    for (std::int64_t l = range.first; l < range.last; ++l) sum += layer_weights(model_.layer(l));
    if (last && options_.prediction) {
      for (std::int64_t m = 0; m < model_.prediction_layers; ++m) {
        sum += layer_weights(model_.kinds[model_.prediction_kind]);
        sum.other += stored(2 * model_.hidden * model_.hidden + 3 * model_.hidden);
      }
    }
    const double rows = std::ceil(static_cast<double>(model_.vocab) /
                                  static_cast<double>(over_tp(options_.whole.embedding)));
    const double table = rows * static_cast<double>(model_.hidden) *
                         options_.formats.weight_bytes(options_.formats.other);
    // A tied head is a second copy where the two are on different stages.
    if (first) sum.embedding += table;
    if (last && model_.head && !(first && model_.tied_embeddings)) sum.embedding += table;
    if (first)
      sum.other +=
          stored(model_.positions * model_.hidden + model_.other_params + model_.unused_params);
    if (last) sum.other += stored(model_.final_norms * model_.hidden);
    gpu.attention = rounded(sum.attention);
    gpu.dense_ffn = rounded(sum.dense_ffn);
    gpu.experts = rounded(sum.experts);
    gpu.shared_experts = rounded(sum.shared_experts);
    gpu.embedding = rounded(sum.embedding);
    gpu.other_weights = rounded(sum.other);
    gpu.kv_cache = rounded(cache(range));
    gpu.activations =
        rounded(activations(range, last) * static_cast<double>(options_.batches_in_flight));
    gpu.buffers = rounded(static_cast<double>(buffers(range)));
    gpu.graphs = options_.cuda_graphs * range.count() * kGraphNodesPerLayer * kGraphNodeBytes;
    gpu.context = device_.context.count();
    return gpu;
  }

 private:
  double stored(std::int64_t params) const {
    return static_cast<double>(params) * options_.formats.weight_bytes(options_.formats.other);
  }

  // Ranks that a part is divided over.
  std::int64_t over_tp(bool whole) const { return whole ? 1 : layout_.tp; }

  // The allocator hands out whole granules.
  std::int64_t rounded(double bytes) const {
    const std::int64_t granule = std::max<std::int64_t>(device_.allocation_granularity.count(), 1);
    const auto whole = static_cast<std::int64_t>(
        std::min(std::ceil(bytes), static_cast<double>(kMostBytesOfAPart)));
    return ceil_div(whole, granule) * granule;
  }

  // Of a layer's experts those that a rank holds, redundant ones included.
  std::int64_t local_experts(std::int64_t experts) const {
    return ceil_div(experts + options_.redundant_experts, layout_.ep);
  }

  WeightBytes layer_weights(const LayerKind& kind) const {
    const LayerParams p = layer_params(kind, model_.hidden);
    const Formats& w = options_.formats;
    const auto etp = static_cast<double>(layout_.etp);
    const HeldWhole& whole = options_.whole;
    const std::int64_t heads = over_tp(whole.attention);
    const auto mixer = [&](const MixerParams& m, const Mixer& of) {
      const double matrices = static_cast<double>(m.by_heads) / static_cast<double>(heads) +
                              static_cast<double>(m.by_kv_heads) * kv_weight_share(of, heads) +
                              static_cast<double>(m.replicated);
      return matrices * w.attention_bytes() + stored(m.vectors);
    };
    WeightBytes sum;
    sum.attention = mixer(p.mixer, kind.mixer) + (kind.cross ? mixer(p.cross, *kind.cross) : 0);
    sum.dense_ffn = static_cast<double>(p.dense) / static_cast<double>(over_tp(whole.dense_ffn)) *
                        w.dense_ffn_bytes() +
                    stored(p.dense_vectors);
    sum.shared_experts = static_cast<double>(p.shared) /
                             static_cast<double>(over_tp(whole.shared_experts)) *
                             w.shared_expert_bytes() +
                         stored(p.shared_vectors);
    sum.experts =
        static_cast<double>(local_experts(p.experts)) *
        (static_cast<double>(p.expert) / etp * w.expert_bytes() + stored(p.expert_vectors) / etp);
    sum.other = stored(p.router + p.router_vectors + p.latent + p.norms);
    return sum;
  }

  double cache(LayerRange range) const {
    double sum = cache_of({load_.sequences, load_.context}, range);
    for (const ServingLoad::Cached& other : load_.beside) sum += cache_of(other, range);
    return sum;
  }

  double cache_of(const ServingLoad::Cached& cached, LayerRange range) const {
    const std::int64_t tokens =
        ceil_div(ceil_div(cached.context, layout_.cp), options_.page_tokens) * options_.page_tokens;
    double sum = 0;
    for (std::int64_t l = std::max(range.first, model_.encoder_layers); l < range.last; ++l) {
      const LayerKind& kind = model_.layer(l);
      sum += layer_cache(kind, options_.formats.kv_cache).bytes(tokens) *
             cache_share(kind.mixer, over_tp(options_.whole.attention));
    }
    return sum * static_cast<double>(cached.sequences);
  }

  // What is alive at once within a layer beside the residual stream, by the larger half.
  double activations(LayerRange range, bool last) const {
    const double tokens =
        std::ceil(static_cast<double>(load_.step_tokens) / static_cast<double>(layout_.cp));
    const double a = bytes_per_element(options_.formats.activations);
    const auto hidden = static_cast<double>(model_.hidden);
    const double base = 2 * tokens * hidden * a;  // residual and its norm
    double worst = 0;
    std::vector<bool> seen(model_.kinds.size(), false);
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const std::size_t kind = model_.layers[static_cast<std::size_t>(l)];
      if (seen[kind]) continue;
      seen[kind] = true;
      worst = std::max(worst, mixer_activations(model_.kinds[kind].mixer, tokens));
      worst = std::max(worst, ffn_activations(model_.kinds[kind].ffn, tokens));
    }
    if (last && model_.head) {
      const double vocab =
          std::ceil(static_cast<double>(model_.vocab) / static_cast<double>(layout_.tp));
      worst = std::max(worst, static_cast<double>(load_.logits) * vocab * 4);
    }
    return base + worst;
  }

  double mixer_activations(const Mixer& mixer, double tokens) const {
    const double width = alive_in_mixer(mixer, over_tp(options_.whole.attention));
    const auto hidden = static_cast<double>(model_.hidden);
    return width > 0 ? tokens * (width + hidden) * bytes_per_element(options_.formats.activations)
                     : 0;
  }

  double ffn_activations(const Ffn& ffn, double tokens) const {
    return std::visit([&](const auto& kind) { return alive(kind, tokens); }, ffn);
  }

  double alive(const NoFfn&, double) const { return 0; }

  double alive(const DenseFfn& dense, double tokens) const {
    return alive_in_dense(dense.inter, dense.gated, tokens);
  }

  double alive_in_dense(std::int64_t inter, bool gated, double tokens) const {
    const double own = static_cast<double>(inter) / static_cast<double>(layout_.tp);
    return tokens * (inside_ffn(own, gated) + static_cast<double>(model_.hidden)) *
           bytes_per_element(options_.formats.activations);
  }

  double alive(const MoeFfn& moe, double tokens) const {
    const double a = bytes_per_element(options_.formats.activations);
    const auto dense = [&](std::int64_t inter) {
      return inter > 0 ? alive_in_dense(inter, moe.gated, tokens) : 0;
    };
    const double rows = padded_rows(moe);
    const auto width = static_cast<double>(moe.dispatch_width(model_.hidden));
    const auto inter = static_cast<double>(moe.inter) / static_cast<double>(layout_.etp);
    const double received = rows * width * bytes_per_element(options_.formats.dispatch);
    const double inside = inside_ffn(rows * inter, moe.gated) * a;
    const double results = rows * width * a;
    const double returned = tokens * static_cast<double>(moe.top_k) * width * a;
    const double logits = tokens * static_cast<double>(moe.experts) * 4;
    const double beside = dense(moe.shared_width());
    const double fixed = dense(moe.residual_inter);
    return received + inside + std::max(results, returned) + logits + beside + fixed;
  }

  // Rows of the most loaded rank, each of its experts padded to the grouped GEMM's tile.
  double padded_rows(const MoeFfn& moe) const {
    const double all = static_cast<double>(load_.step_tokens * layout_.dp * moe.top_k);
    const double even = std::ceil(all / static_cast<double>(layout_.ep * layout_.edp()));
    const double rows = load_.expert_rows ? static_cast<double>(*load_.expert_rows) : even;
    const double used = std::min(static_cast<double>(local_experts(moe.experts)), rows);
    return rows + used * static_cast<double>(options_.row_padding - 1) /
                      2;  // half a tile each, on average
  }

  std::int64_t buffers(LayerRange range) const {
    const hardware::CommBuffers& comm = options_.communication;
    using hardware::nccl_buffer_bytes;
    std::int64_t sum = nccl_buffer_bytes(layout_.tp, comm.nccl_channels) +
                       nccl_buffer_bytes(layout_.cp, comm.nccl_channels) +
                       nccl_buffer_bytes(layout_.etp, comm.nccl_channels) +
                       (layout_.pp > 1 ? nccl_buffer_bytes(2, comm.nccl_channels) : 0);
    if (layout_.ep == 1) return sum;
    for (std::int64_t l = range.first; l < range.last; ++l) {
      const Exchanged tokens = exchanged_by(model_.layer(l).ffn, model_.hidden);
      if (tokens.experts == 0) continue;
      return sum + hardware::multicast_bytes(comm, layout_.ep, tokens.width,
                                             tokens.experts + options_.redundant_experts);
    }
    return sum;
  }

  const ModelSpec& model_;
  const Parallelism& layout_;
  const ServingOptions& options_;
  const ServingLoad& load_;
  const hardware::Device& device_;
};

}  // namespace

MemoryPlan plan_serving(const ModelSpec& model, const Parallelism& layout,
                        const ServingOptions& options, const ServingLoad& load,
                        const hardware::Device& device) {
  SIM_CHECK(check_layout(layout).empty(), "the layout was not checked");
  MemoryPlan plan;
  plan.capacity = device.memory.count();
  const Planner planner(model, layout, options, load, device);
  const std::vector<LayerRange> stages = split_stages(model, layout.pp);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    plan.stages.push_back(planner.stage(stages[s], s == 0, s + 1 == stages.size()));
    if (plan.stages[s].peak() > plan.gpu().peak()) plan.fullest = s;
  }
  return plan;
}

std::int64_t largest_batch(const ModelSpec& model, const Parallelism& layout,
                           const ServingOptions& options, const ServingLoad& load,
                           const hardware::Device& device) {
  return largest_that_fits(std::int64_t{1} << 20, [&](std::int64_t batch) {
    ServingLoad tried = load;
    tried.sequences = tried.step_tokens = tried.logits = batch;
    tried.expert_rows.reset();
    return plan_serving(model, layout, options, tried, device).fits();
  });
}

std::int64_t largest_context(const ModelSpec& model, const Parallelism& layout,
                             const ServingOptions& options, const ServingLoad& load,
                             const hardware::Device& device) {
  const std::int64_t most = model.max_context > 0 ? model.max_context : std::int64_t{1} << 24;
  return largest_that_fits(most, [&](std::int64_t context) {
    ServingLoad tried = load;
    tried.context = context;
    return plan_serving(model, layout, options, tried, device).fits();
  });
}

std::vector<std::int64_t> peaks_under(const ModelSpec& model, const Parallelism& layout,
                                      const ServingOptions& options, ServingLoad load,
                                      const hardware::Device& device,
                                      const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> peaks;
  for (const std::int64_t worst : rows) {
    load.expert_rows = worst;
    peaks.push_back(plan_serving(model, layout, options, load, device).gpu().peak());
  }
  return peaks;
}

}  // namespace moesim::workloads
