#include "workloads/model/hugging_face/layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "workloads/model/hugging_face/ffn.h"
#include "workloads/model/hugging_face/mixer_layers.h"
#include "workloads/model/hugging_face/mixers.h"

namespace moesim::workloads {

namespace {

// Nemotron-H: each layer is one block, by letter.
void read_blocks(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                 const std::string& letters, ModelSpec& model) {
  HfFfns ffns(config, family, layers, model);
  const HfMixers mixers(config, family, model.hidden);
  if (static_cast<std::int64_t>(letters.size()) != layers) {
    config.mistake("hybrid_override_pattern",
                   fmt::format("{} letters, but there are {} layers", letters.size(), layers));
    return;
  }
  std::optional<MoeFfn> moe;
  for (const char letter : letters) {
    LayerKind kind;
    kind.norms = 1;
    switch (letter) {
      case 'M':
        kind.name = "mamba";
        kind.mixer = mixers.mamba();
        break;
      case '*':
        kind.name = "attention";
        kind.mixer = mixers.attention();
        break;
      case 'E':
        if (!moe) moe = ffns.moe();
        kind.name = "moe";
        kind.ffn = *moe;
        break;
      case '-':
        kind.name = "dense";
        kind.ffn = ffns.dense();
        break;
      default:
        config.mistake("hybrid_override_pattern",
                       fmt::format("letter \"{}\" is not supported; M, E, * and - are", letter));
        return;
    }
    add_layer(model, std::move(kind));
    if (config.failed()) return;
  }
}

std::string block_letters(const HfConfig& config) {
  if (const auto pattern = config.text({"hybrid_override_pattern"})) return *pattern;
  std::string letters;
  for (const std::string& block : config.texts("layers_block_type")) {
    letters += block == "mamba"       ? 'M'
               : block == "attention" ? '*'
               : block == "moe"       ? 'E'
               : block == "mlp"       ? '-'
                                      : '?';
  }
  return letters;
}

// LongCat's layers: two of attention and a dense FFN; the mixture takes the first one's input and
// comes back after the second (a shortcut). In numbers: a mixture with the dense FFN beside it, and
// a dense layer. Of the experts that a token chooses some are "zero experts", which do nothing.
void read_shortcut_layers(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                          ModelSpec& model) {
  const std::vector<NamedMixer> mixers = read_hf_mixers(config, family, layers, model);
  HfFfns ffns(config, family, layers, model);
  MoeFfn moe = ffns.moe();
  const DenseFfn dense = ffns.dense();
  const std::int64_t zero = config.integer({"zero_expert_num"}, 0, kMostWidth).value_or(0);
  if (config.failed()) return;
  moe.residual_inter = dense.inter;
  if (zero > 0) {
    const std::int64_t all = moe.experts + zero, chosen = moe.top_k;
    moe.top_k = std::max<std::int64_t>((chosen * moe.experts + all / 2) / all, 1);
    model.other_params += layers * zero * (model.hidden + (moe.router.bias ? 1 : 0));
    model.notes.push_back(fmt::format(
        "zero experts: a token chooses {} of {}, of which {} do nothing; counted with the {} real "
        "ones of the mean",
        chosen, all, zero, moe.top_k));
  }
  model.notes.push_back("each layer of the file is two here, a mixture and a dense one");
  for (const NamedMixer& mixer : mixers) {
    add_layer(model, {.name = mixer.name + "+moe", .mixer = mixer.mixer, .ffn = moe});
    add_layer(model, {.name = mixer.name + "+dense", .mixer = mixer.mixer, .ffn = dense});
  }
}

}  // namespace

void read_hf_layers(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                    ModelSpec& model) {
  const std::string_view type = family != nullptr ? family->type : std::string_view();
  if (config.has("hybrid_override_pattern") || config.has("layers_block_type")) {
    read_blocks(config, family, layers, block_letters(config), model);
    return;
  }
  if (type == "longcat_flash") {
    read_shortcut_layers(config, family, layers, model);
    return;
  }
  const auto mixers = read_hf_mixers(config, family, layers, model);
  HfFfns ffns(config, family, layers, model);
  const std::vector<bool> mixtures = ffns.mixtures();
  std::optional<MoeFfn> moe;
  std::optional<DenseFfn> dense;
  if (std::find(mixtures.begin(), mixtures.end(), true) != mixtures.end()) moe = ffns.moe();
  if (std::find(mixtures.begin(), mixtures.end(), false) != mixtures.end()) dense = ffns.dense();
  const std::int64_t hashed = config.integer({"num_hash_layers"}, 0, layers).value_or(0);
  if (config.failed()) return;
  for (std::size_t l = 0; l < mixers.size(); ++l) {
    LayerKind kind;
    kind.norms = family != nullptr ? family->norms : 2;
    kind.mixer = mixers[l].mixer;
    if (!mixtures[l]) {
      kind.name = mixers[l].name + "+dense";
      kind.ffn = *dense;
      if (type == "gemma4_text") kind.norms = 4;
    } else {
      MoeFfn ffn = *moe;
      kind.name = mixers[l].name + "+moe";
      if (static_cast<std::int64_t>(l) < hashed) {
        ffn.router.kind = RouterKind::Hash;
        ffn.router.bias = false;
        kind.name += "-hash";
      }
      kind.ffn = ffn;
    }
    add_layer(model, std::move(kind));
  }
  if (type == "gemma4_text" && moe) {
    // A scale of the layer, of the router's input, and of each expert.
    model.other_params += layers * (1 + model.hidden + moe->experts);
  }
  if (const auto streams = config.integer({"hc_mult"}, 1, 64); streams && *streams > 1) {
    // Hyper-connections: before each half of a layer, all streams are mixed by weights that depend
    // on them; one more before the head.
    const std::int64_t mix = (2 + *streams) * *streams;
    const std::int64_t half = mix * *streams * model.hidden + mix + 3;
    model.other_params += 2 * layers * half + *streams * *streams * model.hidden + *streams + 1;
  }
  if (type == "phimoe" && config.flag({"lm_head_bias"}).value_or(true))
    model.other_params += model.vocab;
}

}  // namespace moesim::workloads
