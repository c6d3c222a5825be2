// What kernels have done so far in a selftest or a run. One that hung, or that was wrong at two
// steps, is not asked again: each hang costs a whole patience, and a kernel that is wrong has
// nothing more to tell.
//
// A kernel is called as its operation (name_of: "grouped_gemm_mma", "router"); "layer_mma",
// "layer_wgmma" and "layer_fp8" are whole layers, "p2p" and "all_to_all" what several GPUs do.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

// All names of kernels, in the order of Operation.
const std::vector<std::string>& kernel_names();

// The kernel that a point is about.
std::string kernel_of(const PlanPoint& point);

class KernelRecord {
 public:
  void hung(const std::string& kernel) { hung_.insert(kernel); }
  // A wrong result, or a failure, at a step: a check's number or a point's id. The same step twice
  // counts once.
  void wrong(const std::string& kernel, const std::string& step) { wrong_[kernel].insert(step); }
  // As the user asked for.
  void leave_out(const std::string& kernel) { without_.insert(kernel); }

  // And what another record says.
  void merge(const KernelRecord& other);

  // "permute hung before", "sort went wrong twice before", "router is left out"; empty: it is
  // asked.
  std::string why_not(const std::string& kernel) const;
  // Those that hung or went wrong twice, by name.
  std::vector<std::string> distrusted() const;

  // One word, without spaces; parse throws PlanError.
  std::string text() const;
  static KernelRecord parse(const std::string& text);

 private:
  std::set<std::string> hung_, without_;
  std::map<std::string, std::set<std::string>> wrong_;  // at which steps
};

}  // namespace moesim::validation::cuda
