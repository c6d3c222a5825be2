// A model by its numbers: what the layers are, in what order, and what surrounds them.
//
//   const ModelSpec model = load_model("configs/models/deepseek-v3.yaml");
//   for (std::int64_t l = 0; l < model.layer_count(); ++l) {
//     if (const MoeFfn* moe = model.moe(l)) ... model.mixer<MlaAttention>(l) ...
//   }
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "workloads/model/formats.h"
#include "workloads/model/layers.h"

namespace moesim::workloads {

// One kind of layer; a model has a few, each used many times.
struct LayerKind {
  std::string name;  // "mla+moe": unique in the model
  Mixer mixer;
  Ffn ffn;
  std::optional<GqaAttention> cross =
      {};                  // attention over the encoder's result (decoder layers of T5)
  std::int64_t norms = 2;  // vectors of hidden width; LayerNorm's bias counts as another
};

// A run of layers [first, last).
struct LayerRange {
  std::int64_t first = 0, last = 0;
  std::int64_t count() const { return last - first; }
  friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

// What the authors' own figures count. Total: every parameter but those of the multi-token
// prediction layers. Active: those of them that one token uses (its experts, and all that is no
// expert). Where a model's authors count otherwise, its file says so here.
struct Counting {
  bool prediction_layers = false;
  bool embedding_in_total = true, head_in_total = true;
  bool embedding_in_active = true, head_in_active = true;
};

struct Published {
  double total_billion = 0, active_billion = 0;  // 0: not published
  std::string source;
  bool confirmed = true;  // false: reported by others, never by the makers
};

struct ModelSpec {
  std::string name;
  std::vector<std::string> aliases;  // other names: hub ids of checkpoints with these shapes,
                                     // stored in these formats
  std::string family;                // Hugging Face's model_type, or empty
  std::int64_t hidden = 0;
  std::int64_t vocab = 0;  // rows of the embedding
  bool tied_embeddings = false;
  bool head = true;                // has a projection to the vocabulary
  std::int64_t max_context = 0;    // tokens; 0: not limited
  std::int64_t positions = 0;      // rows of a learned position embedding
  std::int64_t other_params = 0;   // in no layer: relative position biases, hyper-connections
  std::int64_t unused_params = 0;  // of parts that text does not pass through (a vision tower)
  std::int64_t final_norms = 1;    // vectors of hidden width after the last layer

  std::vector<LayerKind> kinds;
  std::vector<std::size_t> layers;  // the kind of each layer, in order
  // Encoder-decoder: the first so many layers are the encoder's: they run in prefill only, and the
  // others read their result by LayerKind::cross.
  std::int64_t encoder_layers = 0;
  // Multi-token prediction: extra modules after the last layer, each a layer of `prediction_kind`
  // and a projection from 2 x hidden to hidden. They are no part of layers.
  std::int64_t prediction_layers = 0;
  std::size_t prediction_kind = 0;

  Formats stored;  // what the published weights are in, and what else the checkpoint says
  Counting counting;
  Published published;
  std::vector<std::string> notes;  // what the file does not say and is known by the model's type,
                                   // what was left out; for the reader of a report

  std::int64_t layer_count() const { return static_cast<std::int64_t>(layers.size()); }
  const LayerKind& layer(std::int64_t l) const {
    return kinds[layers[static_cast<std::size_t>(l)]];
  }
  // The mixture layer's FFN, or null where layer l is not one.
  const MoeFfn* moe(std::int64_t l) const { return std::get_if<MoeFfn>(&layer(l).ffn); }
  const DenseFfn* dense(std::int64_t l) const { return std::get_if<DenseFfn>(&layer(l).ffn); }
  template <class T>
  const T* mixer(std::int64_t l) const {
    return std::get_if<T>(&layer(l).mixer);
  }

  // The layers that have experts, in order: MoE layer i of a trace is moe_layers()[i].
  std::vector<std::int64_t> moe_layers() const;
  bool is_moe() const { return !moe_layers().empty(); }
  // The experts of the widest mixture layer (pyramids have more than one size), or null.
  const MoeFfn* largest_moe() const;
  // The layers that run for a prompt, and for each generated token.
  LayerRange prefill_layers() const;
  LayerRange decode_layers() const;
};

// Appends a layer of that kind: of the one that has its name, where there is one.
void add_layer(ModelSpec& model, LayerKind kind);

// Layers of each of `stages` pipeline stages. What does not divide goes, a layer each, to the
// stages from the last but one backwards: the last also has the head, the first the embedding.
// Throws ConfigError where there are more stages than layers.
std::vector<LayerRange> split_stages(const ModelSpec& model, std::int64_t stages);

// The model with only these of its layers, in that order: for a part that fits one machine.
// Throws ConfigError where there is no such layer.
ModelSpec keep_layers(const ModelSpec& model, const std::vector<std::int64_t>& layers);

// Throws ConfigError that lists what cannot be: no layers, widths of zero, top_k over experts, ...
// Loaders call it; call it for a spec that was built by hand.
void check_model(const ModelSpec& model);

// The config.json of a checkpoint's folder; any other path as it is.
std::filesystem::path model_file(const std::filesystem::path& path);

// "*.yaml": the format of workloads/model/README.md. "*.json", or a folder with a config.json: a
// Hugging Face config (workloads/model/hugging_face.h). Throws ConfigError that lists every mistake
// of the file, InputError where it cannot be read.
ModelSpec load_model(const std::filesystem::path& path);

}  // namespace moesim::workloads
