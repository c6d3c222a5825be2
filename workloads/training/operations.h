// What the parts of a layer cost in training on one GPU: forward, the gradients of their inputs and
// of their weights. Exchanges are elsewhere (layer_passes.h).
//
//   product       forward and the gradients of its input and of its weight: a GEMM of its own shape
//                 each (hardware/kernels/training_product.h)
//   below 16 bits the GEMM's price holds the cast of its input by rows; casts by columns, which the
//                 weights' gradient reads, come beside it: 3 bytes a number of x forward, of dy
//                 backward. Where tokens are sent in 8 bits experts need no cast by rows of them,
//                 and cast columns backward
//   experts       a product an expert that has rows (Transformer Engine, on several streams): where
//                 there are several, as grouped ones are fitted
//                 (hardware/kernels/grouped_product.h); else, and without such a fit, dense ones
//                 one after another
//   biases        the first product holds its own. The second's is added an expert at a time, in
//                 fp32 and times the router's weight (Megatron-LM, transformer/moe/experts.py,
//                 _apply_bias): forward a product and a sum each, a join, a cast; backward two
//                 products, two sums, two casts and an addition each, a cast and two joins
//   core          hardware/kernels/training_attention.h
//   the rest      bytes, a launch each; norms backward 1.5 times the forward's
//   small         kernels that no shape names, as many as Megatron-Core has
//
// No fit says how these kernels differ from those of inference that price them (README.md).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "hardware/kernels/grouped_product.h"
#include "hardware/kernels/kernels.h"
#include "hardware/kernels/training_attention.h"
#include "workloads/memory/training_plan.h"
#include "workloads/model/model_spec.h"
#include "workloads/step/phases.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

// What recomputation names (Recompute).
enum class Module {
  Norm,
  Projection,
  UpProjection,
  Core,
  Router,
  Preprocess,
  Permute,
  Expert,
  Activation,
  Shared,
  Dense,
  Table
};

struct Operation {
  Module module = Module::Norm;
  Phase phase = Phase::Other;
  Work forward = {}, input = {}, weight = {};  // the last two: gradients of

  Operation& operator+=(const Operation& other);  // of the same module
};
using Operations = std::vector<Operation>;

// Whether an operation's forward is done again in the backward pass.
bool is_recomputed(Module module, const Recompute& recompute);

// So many kernels that no shape names.
struct SmallKernels {
  std::int64_t forward = 0, backward = 0;
};

// What grouped products have an expert's rows a multiple of: 16 in 8 bits (Transformer Engine, for
// loads of 16 bytes), DeepGEMM's 128; in 16 bits they have as many as there are.
std::int64_t aligned_to(const hardware::KernelChoice& kernels, const Formats& formats);
inline std::int64_t filled_up(std::int64_t rows, std::int64_t aligned) {
  return (rows + aligned - 1) / aligned * aligned;
}

struct OperationPricing {
  const hardware::Kernels& kernels;
  const hardware::TrainingAttention& cores;
  const hardware::GroupedProducts& grouped;
  const ModelSpec& model;
  Formats formats;
  std::int64_t aligned = 1;  // rows of an expert: aligned_to()
  std::int64_t tp = 1, cp = 1, etp = 1;
  double accumulate_bytes = 4;  // of a weight's gradient, to which a micro-batch's is added
  // Of products, and of attention cores, in 16 bits that arithmetic bounds
  // (hardware/kernels/sustained.h).
  double slowdown = 1, core_slowdown = 1;
  hardware::DeviceShare share = {};  // the rest belongs to communication kernels

  // Of a layer's mixer with its norm, `sequences` of `tokens` each; not causal: an encoder's.
  // REQUIRES: trains(mixer)
  Operations mixer(const Mixer& mixer, std::int64_t sequences, std::int64_t tokens,
                   bool causal = true) const;
  // Attention over an encoder's result of as many tokens, with its norm.
  Operations cross(const GqaAttention& attention, std::int64_t sequences,
                   std::int64_t tokens) const;
  // `tokens` of all these: those of a tp and cp rank, of a cp rank for dense and head.
  Operations dense(const DenseFfn& ffn, std::int64_t tokens) const;
  Operations router(const MoeFfn& moe, std::int64_t tokens) const;  // with its norm
  // `whole`: not divided over tp.
  Operations shared(const MoeFfn& moe, std::int64_t tokens, bool whole) const;
  // Of one GPU's experts, which have so many rows each.
  Operations experts(const MoeFfn& moe, std::span<const std::int64_t> rows) const;
  // The products of one of them: up, down. `alone`: the GPU has no other.
  std::array<Operation, 2> expert(const MoeFfn& moe, std::int64_t rows, bool alone) const;
  // What so many experts do beside their products, with so many rows in all.
  Operations between_experts(const MoeFfn& moe, std::int64_t rows, std::int64_t experts) const;
  // `rows` of width hidden copied to where they belong, or back; `tokens` of them are read, or
  // written, once each.
  Operations permute(std::int64_t rows, std::int64_t tokens) const;
  // The same of rows as they come, in the dispatch's format; backward of their gradients, likewise.
  Operations permute_there(std::int64_t rows, std::int64_t tokens) const;
  // Maps and counts of who sends what, once the router has chosen.
  Operations preprocess(std::int64_t tokens) const;
  // How many rows go where, by DeepEP's normal kernels before they dispatch.
  Operations layout(const MoeFfn& moe, std::int64_t tokens) const;
  Operations embedding(std::int64_t tokens) const;
  // Final norm, logits, loss.
  Operations head(std::int64_t tokens) const;
  // Two norms, and two vectors made one: what a prediction layer starts from.
  Operations prediction_input(std::int64_t tokens) const;

 private:
  Operation product(Module module, Phase phase, std::int64_t m, std::int64_t n, std::int64_t k,
                    hardware::Precision precision) const;
  struct Arrives {
    // Of a product's input, of its result's gradient: whether it comes in the product's 8 bits.
    bool x = false, dy = false;
    bool grouped = false;  // one of a group
  };
  void add_product(Operation& to, std::int64_t m, std::int64_t n, std::int64_t k,
                   hardware::Precision precision) const {
    add_product(to, m, n, k, precision, Arrives{});
  }
  void add_product(Operation& to, std::int64_t m, std::int64_t n, std::int64_t k,
                   hardware::Precision precision, Arrives arrives) const;
  // Forward, and the gradients of its input and, added to its sum, of its weight.
  std::array<hardware::KernelCost, 3> costs(const hardware::TrainingProduct& product,
                                            bool grouped) const;
  bool sends_low() const;  // tokens and their gradients go to experts in 8 bits
  // Numbers in 16 bits that are read or written; `backward`: as many as the gradient's kernel has.
  Work touch(std::int64_t numbers) const;
  Operation touched(Module module, Phase phase, std::int64_t forward, std::int64_t backward) const;
  Operation norm(Phase phase, std::int64_t tokens) const;
  // Of a layer; one by itself, as benchmarks have it, may have none.
  Operation layer_norm(Phase phase, std::int64_t tokens) const;
  Operation biases(const MoeFfn& moe, std::int64_t rows, std::int64_t experts) const;
  Operation small(SmallKernels count, Module module, Phase phase, std::int64_t tokens) const;
  Operations feed_forward(Module module, Phase phase, std::int64_t tokens, std::int64_t inter,
                          bool gated, hardware::Precision precision) const;

  friend struct MixerOperations;
};

// Whether there is a backward pass of such a mixer here: grouped-query and latent attention without
// a sparse index.
bool trains(const Mixer& mixer);

// Sums of a list: forward, gradients of inputs with what is computed again before, of weights.
struct Sums {
  Work forward, input, weight;
};
Sums sums_of(const Operations& operations, const Recompute& recompute);

}  // namespace moesim::workloads
