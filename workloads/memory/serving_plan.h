// What serving a model takes of each GPU's memory, by part, and whether it fits.
//
// Layout, as inference engines have it: attention and dense FFN are divided over tp by heads and
// columns (a key-value head is never cut: from tp > kv_heads on they are held more than once;
// latent attention's cache and down projections are held by all), experts over ep, their columns
// over etp, layers over pp, embedding on the first stage and head on the last, both by rows over
// tp; dp and edp replicate. Formulas: workloads/model/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hardware/collectives/buffers.h"
#include "hardware/device.h"
#include "hardware/precision.h"
#include "workloads/model/counts.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

struct ServingLoad {
  // Of one dp rank.
  std::int64_t sequences = 1;  // that hold a cache
  std::int64_t context = 0;    // tokens of each in the cache
  struct Cached {
    std::int64_t sequences = 0, context = 0;
  };
  std::vector<Cached> beside = {};  // and sequences of other lengths
  std::int64_t step_tokens = 1;     // new tokens a step works on
  std::int64_t logits = 1;          // rows the head computes
  // Rows (a token sent to an expert) that the most loaded GPU receives in its worst layer; nothing:
  // all GPUs alike.
  std::optional<std::int64_t> expert_rows = {};
};

// Parts that an engine holds whole on every rank, where others divide them over tp: attention under
// its data parallelism, say.
struct HeldWhole {
  bool attention = false, dense_ffn = false, shared_experts = false, embedding = false;
};

struct ServingOptions {
  Formats formats;
  HeldWhole whole = {};
  std::int64_t redundant_experts = 0;   // slots beyond one an expert, a layer
  bool prediction = false;              // holds the multi-token prediction modules
  std::int64_t page_tokens = 64;        // a sequence's cache is whole pages
  std::int64_t row_padding = 128;       // an expert's rows are padded to a multiple
  std::int64_t batches_in_flight = 1;   // 2: two-batch overlap
  hardware::CommBuffers communication;  // how ranks exchange
  std::int64_t cuda_graphs = 0;         // captured; see kGraphNodeBytes
};

// Bytes on one GPU.
struct GpuMemory {
  std::int64_t attention = 0, dense_ffn = 0, experts = 0, shared_experts = 0;
  std::int64_t embedding = 0, other_weights = 0;  // embedding and head; router, norms and so on
  std::int64_t kv_cache = 0;
  std::int64_t activations = 0;
  std::int64_t buffers = 0;  // of communication
  std::int64_t graphs = 0;
  std::int64_t context = 0;  // driver and runtime

  std::int64_t weights() const {
    return attention + dense_ffn + experts + shared_experts + embedding + other_weights;
  }
  std::int64_t peak() const {
    return weights() + kv_cache + activations + buffers + graphs + context;
  }
};

struct MemoryPlan {
  std::vector<GpuMemory> stages;  // of a GPU of each pipeline stage
  std::size_t fullest = 0;        // the stage with the highest peak
  std::int64_t capacity = 0;

  const GpuMemory& gpu() const { return stages[fullest]; }
  bool fits() const { return gpu().peak() <= capacity; }
  std::int64_t headroom() const { return capacity - gpu().peak(); }  // negative: lacks so much
};

// REQUIRES: check_layout(layout) finds nothing. Throws ConfigError where pp exceeds the layers.
MemoryPlan plan_serving(const ModelSpec& model, const Parallelism& layout,
                        const ServingOptions& options, const ServingLoad& load,
                        const hardware::Device& device);

// The most sequences a dp rank can decode at once at the load's context, one new token each; 0
// where not even one fits.
std::int64_t largest_batch(const ModelSpec& model, const Parallelism& layout,
                           const ServingOptions& options, const ServingLoad& load,
                           const hardware::Device& device);
// The longest context of each of the load's sequences, up to the model's own limit (or 2^24).
std::int64_t largest_context(const ModelSpec& model, const Parallelism& layout,
                             const ServingOptions& options, const ServingLoad& load,
                             const hardware::Device& device);

// How imbalance moves the peak: the fullest GPU's peak for each of a list of rows (the most loaded
// GPU's, step by step), in that order.
std::vector<std::int64_t> peaks_under(const ModelSpec& model, const Parallelism& layout,
                                      const ServingOptions& options, ServingLoad load,
                                      const hardware::Device& device,
                                      const std::vector<std::int64_t>& rows);

// A kernel node of a captured graph takes about this much device memory; a layer is about
// kGraphNodesPerLayer kernels. Assumed, not measured.
inline constexpr std::int64_t kGraphNodeBytes = 8 << 10;
inline constexpr std::int64_t kGraphNodesPerLayer = 15;

}  // namespace moesim::workloads
