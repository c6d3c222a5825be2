// From an operation to its launch, for kernels that every GPU since sm_80 runs. Those that need
// sm_90a are in dispatch_hopper.cuh.
#pragma once

#include "validation/cuda/kernels/attention_decode.cuh"
#include "validation/cuda/kernels/attention_prefill.cuh"
#include "validation/cuda/kernels/grouped_gemm_mma.cuh"
#include "validation/cuda/kernels/permute.cuh"
#include "validation/cuda/kernels/quantise.cuh"
#include "validation/cuda/kernels/router.cuh"
#include "validation/cuda/kernels/sort.cuh"
#include "validation/cuda/kernels/stream.cuh"
#include "validation/cuda/kernels/swiglu.cuh"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

// Returns false for an operation that is not among these.
template <class Launcher>
bool launch_portable(Launcher& launcher, const Operation& operation) {
  struct Visitor {
    Launcher& to;
    bool operator()(const RouterArgs& args) const { return launch_router(to, args), true; }
    bool operator()(const SortArgs& args) const { return launch_sort(to, args), true; }
    bool operator()(const PermuteArgs& args) const { return launch_permute(to, args), true; }
    bool operator()(const UnpermuteArgs& args) const { return launch_unpermute(to, args), true; }
    bool operator()(const SwigluArgs& args) const { return launch_swiglu(to, args), true; }
    bool operator()(const QuantiseArgs& args) const { return launch_quantise(to, args), true; }
    bool operator()(const AttentionArgs& args) const {
      return launch_attention_decode(to, args), true;
    }
    bool operator()(const AttentionPrefillArgs& args) const {
      return launch_attention_prefill(to, args), true;
    }
    bool operator()(const StreamCopy& copy) const { return launch_copy(to, copy.args), true; }
    bool operator()(const StreamRead& read) const { return launch_read(to, read.args), true; }
    bool operator()(const EmptyKernel& empty) const { return launch_empty(to, empty.blocks), true; }
    bool operator()(const FillArgs& args) const { return launch_fill(to, args), true; }
    bool operator()(const CountNanArgs& args) const { return launch_count_nan(to, args), true; }
    bool operator()(const GroupedGemm& gemm) const {
      if (gemm.by != GemmBy::Mma) return false;
      launch_grouped_gemm_mma(to, gemm.args);
      return true;
    }
    bool operator()(const GroupedGemmFp8Args&) const { return false; }
    bool operator()(const LibraryGemm&) const { return false; }
    bool operator()(const TransferArgs&) const { return false; }
  };
  return std::visit(Visitor{launcher}, operation);
}

}  // namespace moesim::validation::cuda
