// What a shape asks for: arithmetic, and the memory traffic that it cannot do without. Nothing is
// ever faster than this work at the datasheet's rates.
#pragma once

#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct Work {
  double flops = 0;  // a multiply-add is two
  double bytes = 0;  // each operand and result once
};

Work work_of(const GemmShape& shape);
Work work_of(const GroupedGemmShape& shape);  // weights of the groups that have rows
Work work_of(const MoeShape& shape);
Work work_of(const MoeShape& layer, std::int64_t tokens, const GroupRows& rows);  // of these rows
Work work_of(const AttentionShape& shape);  // causal: a query sees the keys up to its own
Work work_of(const MlaShape& shape);        // absorbed in decode
Work work_of(const RouterShape& shape);
Work work_of(const RowsShape& shape);
Work work_of(const ElementwiseShape& shape);

}  // namespace moesim::hardware
