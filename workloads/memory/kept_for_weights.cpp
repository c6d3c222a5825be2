#include "workloads/memory/kept_for_weights.h"

#include <variant>

namespace moesim::workloads {
namespace {

constexpr double kElement = 2;  // in 16 bits
constexpr double kScore = 2;    // an fp32 score, in numbers of 16 bits

double number(std::int64_t n) {
  return static_cast<double>(n);
}

struct MixerKeeps {
  double hidden;

  // The first products read the normed input, the last one's result is as wide.
  Kept with(double inside) const { return {.divided = 2 * hidden + inside}; }

  Kept operator()(const NoMixer&) const { return {}; }
  // Gradients of queries, keys, values and gate; what the output's product reads.
  Kept operator()(const GqaAttention& a) const {
    const std::int64_t own = a.reuses_cache ? 0 : a.key_width() + a.value_width();
    return with(number(a.query_width() + own + a.output_gate + 2 * a.query_rank) +
                number(a.output_width()));
  }
  // The latents' gradients; the latents normed, which products up read; the gradients of what comes
  // of them.
  Kept operator()(const MlaAttention& a) const {
    Kept k = with(number(a.heads * (a.query_head() + a.nope_dim + a.value_dim)) +
                  number(a.heads * a.value_dim));
    k.replicated = 2 * number(a.q_lora_rank + a.kv_lora_rank) + number(a.rope_dim);
    return k;
  }
  Kept operator()(const CompressedAttention&) const { return {}; }
  Kept operator()(const LinearAttention&) const { return {}; }
  Kept operator()(const MambaMixer&) const { return {}; }
  Kept operator()(const LstmMixer&) const { return {}; }
};

// Adds to what the mixer keeps.
struct FfnKeeps {
  double hidden, etp;
  Kept& k;

  // Of two products, or three: gradients of the first ones, what the last one reads.
  static double inside(double inter, bool gated) { return inter * (gated ? 3 : 2); }

  void operator()(const NoFfn&) const {}
  void operator()(const DenseFfn& d) const {
    k.divided += 2 * hidden + inside(number(d.inter), d.gated);
  }
  void operator()(const MoeFfn& moe) const {
    k.divided += hidden + kScore * number(moe.experts);  // the router's
    const double beside = number(moe.shared_width() + moe.residual_inter);
    if (beside > 0) k.divided += hidden + inside(beside, moe.gated);
    if (moe.latent > 0) k.divided += hidden + 2 * number(moe.latent);
    k.token_rows = moe.top_k;
    k.row = 2 * number(moe.dispatch_width(static_cast<std::int64_t>(hidden))) +
            inside(number(moe.inter), moe.gated) / etp;
  }
};

}  // namespace

Kept kept_for_weights(const LayerKind& kind, std::int64_t hidden, std::int64_t etp) {
  const MixerKeeps by_mixer{number(hidden)};
  Kept k = std::visit(by_mixer, kind.mixer);
  if (kind.cross) k.divided += by_mixer(*kind.cross).divided;
  std::visit(FfnKeeps{number(hidden), number(etp), k}, kind.ffn);
  return k;
}

double bytes_for_weights(const ModelSpec& model, const Parallelism& layout, const RankShare& share,
                         const TrainingLoad& load) {
  const double tp = number(layout.tp), hidden = number(model.hidden);
  const double tokens = number(load.micro_batch * load.sequence) / number(layout.cp);
  double sum = 0;
  const auto add = [&](const LayerKind& kind) {
    const Kept k = kept_for_weights(kind, model.hidden, layout.etp);
    const double rows = tokens / tp * number(k.token_rows * layout.etp) * share.imbalance;
    sum += kElement * tokens * (k.divided / tp + k.replicated) + load.row_bytes * rows * k.row;
  };
  for (const LayerRange& range : share.layers)
    for (std::int64_t l = range.first; l < range.last; ++l) add(model.layer(l));
  for (std::int64_t i = 0; i < share.predictions; ++i) add(model.kinds[model.prediction_kind]);
  // Both embeddings that a prediction's product reads, and its result's gradient.
  double ends = number(share.predictions) * 3 * hidden / tp;
  if (share.embedding) ends += hidden / tp;
  const std::int64_t heads = model.head ? (share.loss ? 1 : 0) + share.predictions : 0;
  ends += number(heads) * (hidden + number(model.vocab)) / tp;
  return sum + kElement * tokens * ends;
}

}  // namespace moesim::workloads
