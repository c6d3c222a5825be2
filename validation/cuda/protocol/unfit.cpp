#include <algorithm>
#include <initializer_list>

#include "validation/cuda/protocol/measured_set.h"

namespace moesim::validation::cuda {

bool is_between_gpus(const std::string& op) {
  return op == "p2p" || op == "all_to_all" || op == "all_gather" || op == "reduce_scatter" ||
         op == "all_reduce";
}

std::string unfit(const PlanPoint& p) {
  const auto one_of = [](const std::string& value, std::initializer_list<const char*> values) {
    return std::any_of(values.begin(), values.end(), [&](const char* v) { return value == v; });
  };
  if (one_of(p.op, {"gemm", "grouped_gemm"})) {
    if (!one_of(p.impl,
                {"moesim_mma", "moesim_wgmma", "moesim_fp8", "cublaslt", "cublas_grouped"})) {
      return "no implementation is called " + p.impl;
    }
    if (p.n < 8 || p.k < 8 || p.n % 8 != 0 || p.k % 8 != 0) return "n and k are not multiples of 8";
    if (p.rows() == 0) return "there are no rows";
  } else if (one_of(p.op,
                    {"layer", "router", "sort", "permute", "unpermute", "swiglu", "quantise"})) {
    if (p.experts < 1 || p.experts > kMaxExperts || p.top_k < 1 || p.top_k > kMaxTopK ||
        p.top_k > p.experts || p.tokens < 1) {
      return "tokens, experts or top_k out of range";
    }
    if (p.hidden % 8 != 0 || p.inter % 8 != 0) return "hidden and inter are not multiples of 8";
    if (p.op == "layer") {
      if (p.hidden < 8 || p.inter < 8) return "a layer has hidden and inter";
      if (!one_of(p.impl, {"moesim_mma", "moesim_wgmma", "moesim_fp8"})) {
        return "no implementation is called " + p.impl;
      }
      if (static_cast<int>(p.loads.size()) != p.experts || p.rows() != p.tokens * p.top_k ||
          *std::max_element(p.loads.begin(), p.loads.end()) > p.tokens) {
        return "the loads are not those of tokens x top_k selections";
      }
    }
  } else if (one_of(p.op, {"attention_decode", "attention_prefill"})) {
    if (p.tokens < 1 || p.k < 1 || p.experts < 1 || p.top_k < 1 || p.top_k % p.experts != 0) {
      return "the heads are not a multiple of the cache heads";
    }
    if (p.op == "attention_prefill" && (p.n < 1 || p.n > p.k)) {
      return "the new tokens are none, or more than the keys";
    }
  } else if (is_between_gpus(p.op) || one_of(p.op, {"copy", "read", "h2d", "d2h"})) {
    if (p.bytes < 32) return "too few bytes";
  } else if (!one_of(p.op, {"empty"})) {
    return "no operation is called " + p.op;
  }
  return "";
}

}  // namespace moesim::validation::cuda
