#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

std::vector<std::pair<std::string, std::string>> MachineInfo::metadata() const {
  std::vector<std::pair<std::string, std::string>> all{
      {"device", device},
      {"multiprocessors", std::to_string(multiprocessors)},
      {"l2_bytes", std::to_string(l2_bytes)},
      {"memory_bytes", std::to_string(memory_bytes)}};
  all.insert(all.end(), details.begin(), details.end());
  return all;
}

std::string name_of(const Operation& operation) {
  struct Visitor {
    std::string operator()(const RouterArgs&) const { return "router"; }
    std::string operator()(const SortArgs&) const { return "sort"; }
    std::string operator()(const PermuteArgs&) const { return "permute"; }
    std::string operator()(const UnpermuteArgs&) const { return "unpermute"; }
    std::string operator()(const SwigluArgs&) const { return "swiglu"; }
    std::string operator()(const QuantiseArgs&) const { return "quantise"; }
    std::string operator()(const GroupedGemm& gemm) const {
      return gemm.by == GemmBy::Mma ? "grouped_gemm_mma" : "grouped_gemm_wgmma";
    }
    std::string operator()(const GroupedGemmFp8Args&) const { return "grouped_gemm_fp8"; }
    std::string operator()(const LibraryGemm& gemm) const {
      return gemm.library == Library::CublasLt ? "cublaslt" : "cublas_grouped";
    }
    std::string operator()(const AttentionArgs&) const { return "attention_decode"; }
    std::string operator()(const AttentionPrefillArgs&) const { return "attention_prefill"; }
    std::string operator()(const StreamCopy&) const { return "stream_copy"; }
    std::string operator()(const StreamRead&) const { return "stream_read"; }
    std::string operator()(const EmptyKernel&) const { return "empty_kernel"; }
    std::string operator()(const FillArgs&) const { return "fill_normal"; }
    std::string operator()(const CountNanArgs&) const { return "count_nan"; }
    std::string operator()(const TransferArgs&) const { return "transfer"; }
  };
  return std::visit(Visitor{}, operation);
}

}  // namespace moesim::validation::cuda
