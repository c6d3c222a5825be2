// What a model is by its numbers: the values behind `moesim card`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hardware/device.h"
#include "hardware/precision.h"
#include "sim/io/json.h"
#include "workloads/deployment/engine.h"
#include "workloads/memory/serving_plan.h"
#include "workloads/model/counts.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

struct CardOptions {
  std::vector<hardware::Precision> precisions;       // of the weights, to find GPUs for; empty: the
                                                     // checkpoint's own
  std::optional<hardware::Precision> kv_cache = {};  // nothing: as the checkpoint says
  std::optional<std::int64_t> context = {};  // of FLOP and bytes a token; nothing: 1024, or what
                                             // the model takes
  std::int64_t serving_context = 4096;       // of the sequences that a layout must hold
  std::vector<hardware::Device> devices;
  std::optional<Engine> engine = {};  // whose rules the layouts have to meet
};

struct CardKind {
  std::string name;
  std::int64_t layers = 0;
  LayerParams each;
};

// The smallest number of GPUs of a device that holds the model, and how it is laid out there.
struct CardFit {
  std::string precision;  // "bf16", or "stored" for the checkpoint's own
  std::string device;
  std::int64_t gpus = 0;  // 0: none up to kMostCardGpus
  Parallelism layout;
  GpuMemory memory;  // of the fullest GPU, one sequence of serving_context on each dp rank
  std::int64_t capacity = 0;
  std::int64_t largest_batch = 0;    // sequences a dp rank can decode at serving_context
  std::int64_t largest_context = 0;  // tokens of one sequence a dp rank
};
inline constexpr std::int64_t kMostCardGpus = 1024;

struct ModelCard {
  ModelSpec model;
  HeadlineParams headline;  // as the makers count
  ModelParams params;
  std::vector<CardKind> kinds;
  // Of the largest mixture layer; 0 where there is none.
  std::int64_t experts = 0, top_k = 0, shared_experts = 0, moe_layers = 0;
  hardware::Precision kv_precision = hardware::Precision::BF16;
  double kv_bytes_per_token = 0;
  double state_bytes = 0;                                         // a sequence, whatever its length
  std::vector<std::pair<std::string_view, double>> weight_bytes;  // by precision, in their order
  double stored_bytes = 0;                                        // as the checkpoint has them
  std::int64_t context = 0;
  TokenFlops prefill, decode;
  double training = 0;  // FLOP a token, at the context
  DecodeBytes decode_bytes;
  double prefill_bytes = 0;  // of one prompt of the context, a token: weights once, cache written
  DenseEquivalents dense;
  std::vector<CardFit> fits;
};

// Throws ConfigError where the context exceeds what the model takes.
ModelCard make_card(const ModelSpec& model, const CardOptions& options);

// What `moesim card --format json` prints; the keys are in workloads/model/README.md.
sim::io::Json to_json(const ModelCard& card);

// The layouts that a card tries on so many GPUs, the preferred first: tensor parallel within a node
// of eight, experts over all GPUs, else a pipeline of nodes.
std::vector<Parallelism> card_layouts(const ModelSpec& model, std::int64_t gpus);

}  // namespace moesim::workloads
