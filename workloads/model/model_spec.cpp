#include "workloads/model/model_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/error.h"
#include "workloads/model/hugging_face/hugging_face.h"
#include "workloads/model/model_yaml.h"

namespace moesim::workloads {

std::vector<std::int64_t> ModelSpec::moe_layers() const {
  std::vector<std::int64_t> found;
  for (std::int64_t l = 0; l < layer_count(); ++l) {
    if (moe(l) != nullptr) found.push_back(l);
  }
  return found;
}

const MoeFfn* ModelSpec::largest_moe() const {
  const MoeFfn* largest = nullptr;
  for (const std::size_t kind : layers) {
    const auto* moe = std::get_if<MoeFfn>(&kinds[kind].ffn);
    if (moe != nullptr && (largest == nullptr || moe->experts > largest->experts)) largest = moe;
  }
  return largest;
}

LayerRange ModelSpec::prefill_layers() const {
  return {0, encoder_layers > 0 ? encoder_layers : layer_count()};
}

LayerRange ModelSpec::decode_layers() const {
  return {encoder_layers, layer_count()};
}

void add_layer(ModelSpec& model, LayerKind kind) {
  const auto known = std::ranges::find(model.kinds, kind.name, &LayerKind::name);
  model.layers.push_back(static_cast<std::size_t>(known - model.kinds.begin()));
  if (known == model.kinds.end()) model.kinds.push_back(std::move(kind));
}

std::vector<LayerRange> split_stages(const ModelSpec& model, std::int64_t stages) {
  const std::int64_t layers = model.layer_count();
  if (stages < 1 || stages > layers) {
    throw sim::ConfigError(
        fmt::format("pp: {} has {} layers; a pipeline of 1 to {} stages would do, not {}",
                    model.name, layers, layers, stages));
  }
  std::vector<std::int64_t> counts(static_cast<std::size_t>(stages), layers / stages);
  std::int64_t left = layers % stages;
  for (std::size_t s = counts.size() - 1; left > 0; --left) {
    s = s == 0 ? counts.size() - 1 : s - 1;
    ++counts[s];
  }
  std::vector<LayerRange> ranges;
  std::int64_t first = 0;
  for (const std::int64_t count : counts) {
    ranges.push_back({first, first + count});
    first += count;
  }
  return ranges;
}

ModelSpec keep_layers(const ModelSpec& model, const std::vector<std::int64_t>& layers) {
  ModelSpec kept = model;
  kept.layers.clear();
  kept.encoder_layers = 0;
  for (const std::int64_t l : layers) {
    if (l < 0 || l >= model.layer_count()) {
      throw sim::ConfigError(fmt::format("layers: {} has layers 0 to {}, not {}", model.name,
                                         model.layer_count() - 1, l));
    }
    if (l < model.encoder_layers) ++kept.encoder_layers;
    kept.layers.push_back(model.layers[static_cast<std::size_t>(l)]);
  }
  if (kept.layers.empty()) throw sim::ConfigError("layers: expected at least one layer to keep");
  return kept;
}

std::filesystem::path model_file(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path config = path / "config.json";
  return std::filesystem::is_directory(path, error) &&
                 std::filesystem::is_regular_file(config, error)
             ? config
             : path;
}

ModelSpec load_model(const std::filesystem::path& path) {
  const std::filesystem::path file = model_file(path);
  const std::string extension = file.extension().string();
  if (extension == ".json") return import_hugging_face(file);
  if (extension == ".yaml" || extension == ".yml") return load_model_yaml(file);
  if (std::error_code error; std::filesystem::is_directory(file, error))
    throw sim::ConfigError(fmt::format("{}: is a folder without a config.json", file.string()));
  throw sim::ConfigError(
      fmt::format("{}: a model is a .yaml file of ours or a Hugging Face config.json, not \"{}\"",
                  file.string(), extension));
}

}  // namespace moesim::workloads
