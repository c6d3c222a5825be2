// Experts whose kernels were badly chosen when a table was taken: no flag marks them, their
// neighbours do.
#pragma once

#include <vector>

#include "validation/tables/table_reader.h"

namespace moesim::validation {

// Of a table of experts, whether each row's task (all rows of a model, layout, routing and format)
// is slower than another task of the model by kSlowTask at the median of their common token counts,
// though that one asks for no less: the same routing with less tensor or expert parallelism, or a
// more skewed routing of the same layout. On the public H100 table, whose bad tactics were flagged
// by hand, the rule finds 84 % of the flagged tasks, and as many of those that it finds are
// flagged.
inline constexpr double kSlowTask = 1.5;
std::vector<bool> slow_tasks(const TableReader& reader);

}  // namespace moesim::validation
