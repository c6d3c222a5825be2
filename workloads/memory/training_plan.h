// What training a model takes of each GPU's memory, by part, as Megatron-Core lays it out: weights
// in 16 bits, gradients accumulated in fp32, Adam in fp32, sequence parallelism with tensor
// parallelism, fused attention that saves no scores. Formulas: workloads/model/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "hardware/collectives/buffers.h"
#include "hardware/device.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// What is divided over the data-parallel ranks: nothing, the optimizer's states (ZeRO-1, Megatron's
// distributed optimizer), gradients too (ZeRO-2), weights too (ZeRO-3, FSDP).
enum class Sharding { None, Optimizer, Gradients, Weights };

enum class Schedule {
  GPipe,  // all forwards, then all backwards
  OneForwardOneBackward,
  Interleaved,  // 1F1B over virtual stages
  DualPipe,     // two directions: two copies of the weights, pp + 1 micro-batches
};

// What is computed again in the backward pass instead of kept.
struct Recompute {
  bool full = false;         // whole layers: only their inputs are kept
  bool mla_up_proj = false;  // latent attention's queries, keys, values
  bool moe = false;          // a mixture layer's experts whole
  bool moe_act = false;      // the experts' activation
  bool mlp = false;          // dense FFNs
  bool layernorm = false;    // the results of norms
  bool core_attn = false;    // attention cores: what they read is kept, as without it
  bool shared_experts = false;
};

// Parameters on one GPU: those over dp x cp replicas, and those of experts, over edp.
struct RankParameters {
  double dense = 0, expert = 0;
  RankParameters& operator+=(const RankParameters& other) {
    dense += other.dense, expert += other.expert;
    return *this;
  }
};

// What one pipeline rank has of a model.
struct RankShare {
  std::vector<LayerRange> layers = {};
  bool embedding = false, loss = false;
  std::int64_t predictions = 0;  // prediction layers
  double in_flight = 1;          // micro-batches, in whole ranks' worth
  double imbalance = 1;          // rows of the fullest GPU over the mean
};
RankParameters parameters_of(const ModelSpec& model, const Parallelism& layout,
                             const RankShare& share);
// Who trains: what a trainer keeps beside what the mathematics needs.
enum class Trainer {
  Megatron,    // fused loss, gradients accumulated in the GEMM
  Torchtitan,  // eager PyTorch with FSDP: the loss in fp32, two layers' weights gathered at a time
};
inline constexpr std::array<std::string_view, 2> kTrainerNames{"megatron", "torchtitan"};

// Bytes a parameter of weights, gradients and optimizer, where the load does not say: 2, 4 and 12
// with an fp32 master beside bf16 weights; 4, 4 and 8 where the weights are fp32 themselves.
struct StateBytes {
  double weight = 2, gradient = 4, optimizer = 12;
};
StateBytes state_bytes_of(Trainer trainer);

struct TrainingLoad {
  std::int64_t micro_batch = 1;   // sequences
  std::int64_t sequence = 4096;   // tokens
  std::int64_t microbatches = 1;  // of a step, a dp rank
  Schedule schedule = Schedule::OneForwardOneBackward;
  std::int64_t virtual_stages = 1;  // of Interleaved, a GPU
  Sharding sharding = Sharding::Optimizer;
  std::int64_t sharding_group = 0;  // ranks that share, of dp x cp; 0: all
  Recompute recompute;
  double weight_bytes = 2, gradient_bytes = 4;  // a parameter
  double optimizer_bytes = 12;                  // master weight and two moments in fp32
  double imbalance =
      1;  // rows of the most loaded GPU over the mean; a capacity factor where padded
  double row_bytes =
      2;  // of a number that an expert's row keeps: 1 where its products are in 8 bits
  hardware::CommBuffers communication;
  Trainer trainer = Trainer::Megatron;
};

// Bytes on one GPU.
struct TrainingMemory {
  std::int64_t weights = 0, gradients = 0, optimizer = 0;
  std::int64_t activations = 0;  // kept for the backward pass by all micro-batches in flight
  std::int64_t temporaries = 0;  // at the peak: logits and their gradient, gradients of tables,
                                 // what is recomputed, gradients within a layer, what of sharded
                                 // weights is whole
  std::int64_t buffers = 0, context = 0;
  std::int64_t fragmented = 0;  // held by the allocator and given to nobody, where that is known
  double microbatches_in_flight = 0;

  // What the framework's allocator has given out (PyTorch's max_memory_allocated), and all.
  std::int64_t allocated() const {
    return weights + gradients + optimizer + activations + temporaries;
  }
  std::int64_t peak() const { return allocated() + fragmented + buffers + context; }
};

struct TrainingPlan {
  std::vector<TrainingMemory> stages;  // of a GPU of each pipeline stage
  std::size_t fullest = 0;             // the first of them
  std::int64_t capacity = 0;

  const TrainingMemory& gpu() const { return stages[fullest]; }
  bool fits() const { return gpu().peak() <= capacity; }
  std::int64_t headroom() const { return capacity - gpu().peak(); }
};

// REQUIRES: check_layout(layout) finds nothing. Throws ConfigError where pp exceeds the layers.
TrainingPlan plan_training(const ModelSpec& model, const Parallelism& layout,
                           const TrainingLoad& load, const hardware::Device& device);

// The same of shares that are no even split: one a pipeline rank.
TrainingPlan plan_training(const ModelSpec& model, const Parallelism& layout,
                           const std::vector<RankShare>& shares, const TrainingLoad& load,
                           const hardware::Device& device);

// Micro-batches whose activations a stage keeps at its fullest moment, in whole stages' worth.
double microbatches_in_flight(const TrainingLoad& load, std::int64_t stages, std::int64_t stage);

}  // namespace moesim::workloads
