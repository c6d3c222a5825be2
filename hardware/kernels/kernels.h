// What kernels cost on a device: one small interface over all cost models.
//
// Each kind of kernel is priced by the implementation that was chosen for it ("trtllm", "sglang",
// "vllm", "deepgemm", "moesim"), with the parameters in the device's file; "roofline" needs none.
// A cost model is one file beside this one; its formula is in hardware/README.md.
#pragma once

#include <memory>
#include <string>

#include "hardware/device.h"
#include "hardware/kernels/shapes.h"
#include "sim/units.h"

namespace moesim::hardware {

enum class Bound { Launch, Compute, Memory };

struct KernelCost {
  sim::Duration time;
  sim::Flops flops;  // the arithmetic that the shape asks for
  sim::Bytes bytes;  // the memory traffic that it cannot do without
  Bound bound = Bound::Launch;
  double low = 1, high = 1;   // the 10th and 90th percentile of the true time, over `time`
  bool extrapolated = false;  // outside the range that the model was fitted in
};

// Which implementation prices which kind. Empty: the device's default for it, else "roofline".
struct KernelChoice {
  std::string gemm, moe, attention;
};

class Kernels {
 public:
  // Throws ConfigError where the device has no parameters for an implementation that is named,
  // listing those it has.
  Kernels(const Device& device, const KernelChoice& choice);
  ~Kernels();
  Kernels(Kernels&&) noexcept;

  // `sm_share`: the part of the GPU's multiprocessors the kernel has, in (0, 1]: less than 1 beside
  // a communication kernel that holds some.
  KernelCost gemm(const GemmShape& shape, double sm_share = 1) const;
  KernelCost grouped_gemm(const GroupedGemmShape& shape, double sm_share = 1) const;
  KernelCost moe(const MoeShape& shape, double sm_share = 1) const;
  KernelCost attention(const AttentionShape& shape, double sm_share = 1) const;
  KernelCost mla(const MlaShape& shape, double sm_share = 1) const;
  KernelCost elementwise(const ElementwiseShape& shape, double sm_share = 1) const;

 private:
  struct Models;
  std::unique_ptr<const Models> models_;
};

}  // namespace moesim::hardware
