// Whether a model can be divided as a layout says: what no engine can start is refused, what it
// pads is told.
#pragma once

#include <string>
#include <vector>

#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// What cannot be, a sentence each, with the sizes at which all of the model would do: query heads
// that do not divide over tp, key heads of which neither number divides the other (fewer than
// ranks, they are replicated), states of linear attention likewise, groups of Mamba where there are
// more than one, widths of FFNs over tp and of experts over etp. REQUIRES: check_layout(layout) is
// empty
std::vector<std::string> layout_problems(const ModelSpec& model, const Parallelism& layout);

// Why `experts` and `redundant` slots do not divide over `ep` ranks, with what would do; empty
// where they do.
std::string slots_problem(std::int64_t experts, std::int64_t redundant, std::int64_t ep);

// A part whose width on a rank is no whole number of its format's quantisation blocks.
struct CutBlocks {
  hardware::Precision precision = hardware::Precision::BF16;
  std::string what;     // "experts of width 1536 over etp = 8 are 192 wide on a rank, no whole …"
  std::string padding;  // "pad it to 256, 33 % more"
  std::string would_do;  // "etp 6 or 4 would do": of the whole model
  bool halved = false;   // engines make its groups smaller instead (int4 experts)
};

// Those that tp or etp cuts, each once.
std::vector<CutBlocks> cut_blocks(const ModelSpec& model, const Parallelism& layout,
                                  const Formats& formats);

}  // namespace moesim::workloads
