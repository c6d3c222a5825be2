#include "validation/cuda/protocol/kernel_record.h"

#include <algorithm>

namespace moesim::validation::cuda {
namespace {

constexpr std::size_t kWrongSteps = 2;  // beyond which a kernel is not asked again

std::string kernel_of_gemm(const std::string& impl) {
  if (impl == "moesim_mma") return "grouped_gemm_mma";
  if (impl == "moesim_wgmma") return "grouped_gemm_wgmma";
  if (impl == "moesim_fp8") return "grouped_gemm_fp8";
  return impl;  // of a library
}

}  // namespace

const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names{"router",
                                              "sort",
                                              "permute",
                                              "unpermute",
                                              "swiglu",
                                              "quantise",
                                              "grouped_gemm_mma",
                                              "grouped_gemm_wgmma",
                                              "grouped_gemm_fp8",
                                              "cublaslt",
                                              "cublas_grouped",
                                              "attention_decode",
                                              "attention_prefill",
                                              "stream_copy",
                                              "stream_read",
                                              "empty_kernel",
                                              "fill_normal",
                                              "count_nan",
                                              "transfer",
                                              "layer_mma",
                                              "layer_wgmma",
                                              "layer_fp8",
                                              "p2p",
                                              "all_to_all",
                                              "all_gather",
                                              "reduce_scatter",
                                              "all_reduce",
                                              "memory"};
  return names;
}

std::string kernel_of(const PlanPoint& point) {
  const std::string& op = point.op;
  if (op == "gemm" || op == "grouped_gemm") return kernel_of_gemm(point.impl);
  if (op == "layer") return "layer_" + point.impl.substr(point.impl.find('_') + 1);
  if (op == "empty") return "empty_kernel";
  if ((op == "copy" || op == "read") && point.impl != "cuda") return "stream_" + op;
  if (op == "copy" || op == "h2d" || op == "d2h") return "transfer";
  return op;
}

void KernelRecord::merge(const KernelRecord& other) {
  hung_.insert(other.hung_.begin(), other.hung_.end());
  without_.insert(other.without_.begin(), other.without_.end());
  for (const auto& [kernel, steps] : other.wrong_)
    wrong_[kernel].insert(steps.begin(), steps.end());
}

std::string KernelRecord::why_not(const std::string& kernel) const {
  if (without_.count(kernel) > 0) return kernel + " is left out";
  if (hung_.count(kernel) > 0) return kernel + " hung before";
  const auto found = wrong_.find(kernel);
  if (found == wrong_.end() || found->second.size() < kWrongSteps) return "";
  return kernel + " went wrong twice before";
}

std::vector<std::string> KernelRecord::distrusted() const {
  std::set<std::string> names = hung_;
  for (const auto& [kernel, steps] : wrong_) {
    if (steps.size() >= kWrongSteps) names.insert(kernel);
  }
  return {names.begin(), names.end()};
}

std::string KernelRecord::text() const {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ",") + what; };
  for (const std::string& kernel : without_) add("without:" + kernel);
  for (const std::string& kernel : hung_) add("hung:" + kernel);
  for (const auto& [kernel, steps] : wrong_) {
    for (const std::string& step : steps) add("wrong:" + kernel + ":" + step);
  }
  return text;
}

KernelRecord KernelRecord::parse(const std::string& text) {
  KernelRecord record;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t first = part.find(':'), second = part.find(':', first + 1);
    const std::string what = part.substr(0, first);
    const bool at_step = what == "wrong";
    if (first == std::string::npos || at_step != (second != std::string::npos) ||
        (what != "without" && what != "hung" && what != "wrong")) {
      throw PlanError("a record of kernels that cannot be read: \"" + part + "\"");
    }
    const std::string kernel = part.substr(first + 1, second - first - 1);
    if (what == "without") record.leave_out(kernel);
    if (what == "hung") record.hung(kernel);
    if (at_step) record.wrong(kernel, part.substr(second + 1));
  }
  return record;
}

}  // namespace moesim::validation::cuda
