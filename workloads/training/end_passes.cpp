// What a model's ends do: embedding, head and loss, and the predictions beside them.
#include <array>

#include "workloads/training/layer_passes.h"

namespace moesim::workloads {
namespace {

// They are remembered beside the layers.
constexpr std::int64_t kEmbedding = -1'000'000, kHead = -1'000'001, kPredictionInput = -1'000'002,
                       kPredictionLayer = -1'000'003;

}  // namespace

const LayerPasses& LayerPassBuilder::embedding() {
  return once({kEmbedding, 0}, [&] {
    LayerPasses passes;
    const Sums sums = sums_of(pricing_.embedding(tokens_), {});
    const sim::Bytes whole = bytes_of(tokens_ * in_.group.model.hidden);
    compute(passes.forward.attention, "embedding", Phase::Other, sums.forward);
    tensor(passes.forward.attention, "embedding reduce-scatter", &Communication::reduce_scatter,
           whole);
    tensor(passes.backward.attention, "embedding gradients all-gather", &Communication::all_gather,
           whole);
    compute(passes.backward.attention_weights, "embedding weights", Phase::Other, sums.weight);
    return passes;
  });
}

const LayerPasses& LayerPassBuilder::head() {
  return once({kHead, 0}, [&] {
    LayerPasses passes;
    const Sums sums = sums_of(pricing_.head(tokens_), {});
    const sim::Bytes whole = bytes_of(tokens_ * in_.group.model.hidden);
    Steps &forward = passes.forward.attention, &backward = passes.backward.attention;
    tensor(forward, "head all-gather", &Communication::all_gather, whole);
    compute(forward, "head and loss", Phase::Head, sums.forward);
    // The largest logit, their sum, the label's: fp32 a token, over the vocabulary's parts.
    constexpr std::int64_t kSums = 3, kFp32 = 4;
    for (std::int64_t i = 0; i < kSums; ++i)
      collective(forward, "loss all-reduce", Over::Tensor, &Communication::all_reduce,
                 std::array{sim::Bytes(kFp32 * tokens_)});
    compute(backward, "head backward", Phase::Head, sums.input);
    tensor(backward, "head gradients reduce-scatter", &Communication::reduce_scatter, whole);
    compute(passes.backward.attention_weights, "head weights", Phase::Head, sums.weight);
    return passes;
  });
}

const LayerPasses& LayerPassBuilder::prediction_input() {
  return once({kPredictionInput, 0}, [&] {
    LayerPasses passes;
    const Sums sums = sums_of(pricing_.prediction_input(tokens_), {});
    const sim::Bytes whole = bytes_of(tokens_ * in_.group.model.hidden);
    compute(passes.forward.attention, "prediction input", Phase::Head, sums.forward);
    tensor(passes.forward.attention, "prediction all-gather", &Communication::all_gather, whole);
    compute(passes.backward.attention, "prediction input backward", Phase::Head, sums.input);
    compute(passes.backward.attention_weights, "prediction input weights", Phase::Head,
            sums.weight);
    return passes;
  });
}

const LayerPasses& LayerPassBuilder::prediction_layer(std::uint32_t draw) {
  const ModelSpec& model = in_.group.model;
  const Key key{kPredictionLayer, by_layer_ ? draw : 0};
  const LayerKind& kind = model.kinds[model.prediction_kind];
  const std::vector<std::int64_t> moe_layers = model.moe_layers();
  const std::size_t last = moe_layers.empty() ? 0 : moe_layers.size() - 1;
  return once(key, [&] { return make(kind, last, draw); });
}

}  // namespace moesim::workloads
