// What kernels cost on a device: one small interface over all cost models.
//
// Each kind of kernel is priced by the implementation that was chosen for it ("trtllm", "sglang",
// "vllm", "deepgemm", "moesim"), with the parameters in the device's file; "roofline" needs none.
// A cost model is one file beside this one; its formula is in hardware/kernels/README.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "hardware/kernels/device_share.h"
#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/shapes.h"
#include "hardware/trust.h"
#include "sim/units.h"

namespace moesim::hardware {

enum class Bound { Launch, Compute, Memory };

struct KernelCost {
  sim::Duration time;
  sim::Flops flops;  // the arithmetic that the shape asks for
  sim::Bytes bytes;  // the memory traffic that it cannot do without
  Bound bound = Bound::Launch;
  std::int64_t launches = 1;  // that a host without a graph makes for it
  Trust trust = {};           // in `time`; its use lives as long as the Kernels
};

// Which implementation prices which kind: "trtllm", "sglang", "vllm", "deepgemm", "moesim",
// "roofline". Empty: trtllm's. Where the device has no fit for what is named, the nearest stands in
// (choose_fitted.h), else the roofline; a cost's trust says so.
struct KernelChoice {
  std::string gemm = {}, moe = {}, attention = {};
};

// Whose kernels price each kind on a device: what is named, or trtllm, where the device has a fit
// of it in any number format; else the implementation that stands in for it, "roofline" where there
// is none. Which number format stands in for another is known by kernel: Kernels::uses(). Throws
// ConfigError where an implementation is named that there is not.
KernelChoice resolve(const Device& device, const KernelChoice& choice);

// A mixture layer of which tokens and rows alone vary from one question to the next: it is asked
// for every rank and layer of a step. Good as long as the Kernels.
class MoeCosts;

class Kernels {
 public:
  // Throws ConfigError where an implementation is named that there is not, and where a fitted model
  // of the device lacks a parameter.
  Kernels(const Device& device, const KernelChoice& choice);
  ~Kernels();
  Kernels(Kernels&&) noexcept;

  // `share`: the part of the GPU that the kernel has: less than all of it beside
  // a communication kernel that holds some.
  KernelCost gemm(const GemmShape& shape, DeviceShare share = {}) const;
  KernelCost grouped_gemm(const GroupedGemmShape& shape, DeviceShare share = {}) const;
  KernelCost moe(const MoeShape& shape, DeviceShare share = {}) const;
  // Of a layer like `layer`, whose tokens and rows do not count.
  MoeCosts moe_costs(const MoeShape& layer, DeviceShare share = {}) const;
  KernelCost attention(const AttentionShape& shape, DeviceShare share = {}) const;
  KernelCost mla(const MlaShape& shape, DeviceShare share = {}) const;
  KernelCost elementwise(const ElementwiseShape& shape, DeviceShare share = {}) const;
  // The choice of experts alone: by its own fit where the device has one, else as a copy of as many
  // bytes.
  KernelCost router(const RouterShape& shape, DeviceShare share = {}) const;
  // Whether what prices mixture layers has that choice in it where rows come unsorted: our own
  // layers were measured from the scores on.
  bool layer_chooses(Precision experts) const;
  // Whether rows on their way out and back have fits, which no public table gives.
  bool moves_rows() const;
  // REQUIRES: moves_rows()
  KernelCost rows(const RowsShape& shape, DeviceShare share = {}) const;

  // All models that may answer, of every kind and number format; a cost's trust points to one of
  // them. They live as long as the Kernels, moved or not.
  std::vector<const ModelUse*> uses() const;

 private:
  friend class MoeCosts;
  struct Models;
  std::unique_ptr<const Models> models_;
};

class MoeCosts {
 public:
  ~MoeCosts();
  MoeCosts(MoeCosts&&) noexcept;
  MoeCosts& operator=(MoeCosts&&) noexcept;

  // Kernels::moe of the layer with these.
  KernelCost of(std::int64_t tokens, const GroupRows& rows) const;

 private:
  friend class Kernels;
  struct State;
  explicit MoeCosts(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace moesim::hardware
