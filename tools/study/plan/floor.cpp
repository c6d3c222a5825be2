#include "tools/study/plan/floor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hardware/device.h"
#include "workloads/model/counts.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;

double peak_of(const Deployment& d) {
  double most = 0;
  const auto& f = d.formats;
  for (const auto format : {f.other, f.experts, f.shared_experts, f.attention, f.dense_ffn,
                            f.activations, f.kv_cache}) {
    most = std::max(most, hardware::peak_rate(d.cluster.device, format).flop_per_second());
  }
  return most;
}

// Of the experts that one token uses, over all layers.
struct Chosen {
  double flops = 0;       // of a token
  double bytes = 0;       // of their weights
  double bytes_each = 0;  // of one in each layer
};

Chosen chosen_of(const Deployment& d) {
  Chosen chosen;
  for (const std::int64_t layer : d.model.moe_layers()) {
    const auto params = workloads::layer_params(d.model.layer(layer), d.model.hidden);
    const double each =
        static_cast<double>(params.expert) * d.formats.weight_bytes(d.formats.experts);
    chosen.flops += 2 * static_cast<double>(params.active_experts * params.expert);
    chosen.bytes += static_cast<double>(params.active_experts) * each;
    chosen.bytes_each += each;
  }
  return chosen;
}

}  // namespace

Floor floor_of(const Deployment& d, const FloorLoad& load) {
  if (d.model.encoder_layers > 0) return {.ceiling = std::numeric_limits<double>::infinity()};
  const auto& p = d.layout;
  const double gpus = static_cast<double>(p.gpus());
  const double lanes = static_cast<double>(p.tp * p.cp), dp = static_cast<double>(p.dp);
  const double peak = peak_of(d), bandwidth = d.cluster.device.memory_bandwidth.bytes_per_second();

  // As steps are priced: each part in one format.
  workloads::Formats priced = d.formats;
  priced.mean_bytes = {};
  const auto weights = workloads::weight_bytes(d.model, priced);
  const double every_pass =
      weights.attention + weights.dense_ffn + weights.shared_experts + weights.head;
  const Chosen chosen = chosen_of(d);
  const auto context = std::max<std::int64_t>(1, static_cast<std::int64_t>(load.context));
  const double cache =
      workloads::decode_bytes(d.model, d.formats, d.formats.kv_cache, context).cache;

  Floor floor;
  double flops = 0;
  if (load.prompt > 0) {
    const double each =
        workloads::prefill_flops(d.model, static_cast<std::int64_t>(load.prompt)).total();
    flops += load.prompt * each;
    // Its dense part on the ranks that share its attention, its experts on all; the stages of a
    // pipeline may work on parts of it at once.
    const double dense = (each - chosen.flops) / lanes;
    floor.ttft_s =
        load.prompt * (dense + chosen.flops / (lanes * dp)) / static_cast<double>(p.pp) / peak;
  }
  double bytes = 0;
  if (load.output > 0) {
    flops += load.output * workloads::decode_flops(d.model, context).total();
    // A pass goes through all stages: the weights of each are read one after another. Of a token's
    // experts some rank has as many as there are for a rank, and one at least.
    const double top_k = chosen.bytes_each > 0 ? chosen.bytes / chosen.bytes_each : 0;
    const double busiest = std::max(top_k / static_cast<double>(p.ep), std::min(top_k, 1.0));
    const double line =
        every_pass / lanes + busiest * chosen.bytes_each / static_cast<double>(p.etp);
    const double slope = cache / lanes;
    floor.tpot_s = (line + slope) / bandwidth / load.accepted;
    double batch = load.most_sequences;
    if (load.tpot_s && slope > 0) {
      const double room = *load.tpot_s * load.accepted * bandwidth - line;
      batch = std::min(batch, std::max(room, 0.0) / slope);
    }
    // A pass with a sequence is one with one at least.
    batch = std::max(batch, 1.0);
    bytes =
        load.output * (cache + (every_pass / batch + chosen.bytes / (batch * dp)) / load.accepted);
  }
  const double seconds = std::max(flops / peak, bytes / bandwidth);
  floor.ceiling =
      seconds > 0 ? gpus / seconds / load.attained : std::numeric_limits<double>::infinity();
  return floor;
}

}  // namespace moesim::tools
