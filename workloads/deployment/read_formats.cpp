#include "workloads/deployment/read_formats.h"

namespace moesim::workloads {

using hardware::Precision;
using sim::io::YamlNode;

namespace {

void read_precision(const YamlNode& node, Precision& precision) {
  precision = hardware::kPrecisions[node.one_of(hardware::kPrecisionNames)];
}

}  // namespace

Formats read_formats(const std::optional<YamlNode>& node, const ModelSpec& model) {
  Formats formats = model.stored;
  if (!node) return formats;
  node->allow_only({"weights", "attention", "dense", "experts", "shared_experts", "other",
                    "activations", "kv_cache", "dispatch", "combine"});
  if (const auto weights = node->find("weights")) {
    // The matrices that engines quantise; router, embedding and head stay as they are stored.
    read_precision(*weights, formats.attention);
    formats.dense_ffn = formats.experts = formats.shared_experts = formats.attention;
    formats.mean_bytes = {};
  }
  const auto read = [&](const char* key, Precision& value) {
    const auto found = node->find(key);
    if (found) read_precision(*found, value);
    return found.has_value();
  };
  Formats::MeanBytes& mean = formats.mean_bytes;
  if (read("attention", formats.attention)) mean.attention = 0;
  if (read("dense", formats.dense_ffn)) mean.dense_ffn = 0;
  if (read("experts", formats.experts)) mean.experts = 0;
  if (read("shared_experts", formats.shared_experts)) mean.shared_experts = 0;
  read("other", formats.other);
  read("activations", formats.activations);
  read("kv_cache", formats.kv_cache);
  read("dispatch", formats.dispatch);
  read("combine", formats.combine);
  return formats;
}

}  // namespace moesim::workloads
