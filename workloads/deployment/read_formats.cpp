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
  }
  const auto read = [&](const char* key, Precision& value) {
    if (const auto found = node->find(key)) read_precision(*found, value);
  };
  read("attention", formats.attention);
  read("dense", formats.dense_ffn);
  read("experts", formats.experts);
  read("shared_experts", formats.shared_experts);
  read("other", formats.other);
  read("activations", formats.activations);
  read("kv_cache", formats.kv_cache);
  read("dispatch", formats.dispatch);
  read("combine", formats.combine);
  return formats;
}

}  // namespace moesim::workloads
