// What a point of a plan runs: operands on the machine, made anew as often as is wanted, so that
// the caches are cold. A set for each kind of operation.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "validation/cuda/protocol/layer_shape.h"
#include "validation/cuda/protocol/machine.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

// Operands of one execution; several, on different memory, keep the caches cold.
class Set {
 public:
  virtual ~Set() = default;
  virtual Operations operations() const = 0;
  virtual void poison() {}
  // Of the result, where there is something to compare.
  virtual std::optional<double> error(std::uint64_t /*seed*/) { return std::nullopt; }
  // Results that must all have been written; none: null.
  virtual const Buffer<Bf16>* output() const { return nullptr; }
};

// Throws OutOfMemory, and MachineError. REQUIRES: unfit(point) is empty
std::unique_ptr<Set> make_gemm_set(Machine& machine, const PlanPoint& point, std::uint64_t seed);
std::unique_ptr<Set> make_layer_set(Machine& machine, const PlanPoint& point, std::uint64_t seed);
// Router, sort, permute, unpermute, SwiGLU or quantise, as a layer has them.
std::unique_ptr<Set> make_part_set(Machine& machine, const PlanPoint& point, std::uint64_t seed);
std::unique_ptr<Set> make_attention_set(Machine& machine, const PlanPoint& point,
                                        std::uint64_t seed);
std::unique_ptr<Set> make_prefill_set(Machine& machine, const PlanPoint& point, std::uint64_t seed);
// Our own copy and read.
std::unique_ptr<Set> make_stream_set(Machine& machine, const PlanPoint& point, std::uint64_t seed);
// The run time's copies.
std::unique_ptr<Set> make_transfer_set(Machine& machine, const PlanPoint& point);
// As many empty kernels one after another.
std::unique_ptr<Set> make_empty_set(int executions);

// What several GPUs do together.
bool is_between_gpus(const std::string& op);

// Why a shape is none that the kernels take; empty: it is one.
std::string unfit(const PlanPoint& point);

// Into how many parts attention of a new token cuts each of its caches of so many keys.
int parts_of_cache(int multiprocessors, int caches, int keys);

// The layer that a point of a layer, or of a part of one, is about.
LayerShape layer_shape(const PlanPoint& point);

}  // namespace moesim::validation::cuda
