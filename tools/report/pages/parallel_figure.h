// Parallel coordinates of a study: every point on every axis.
#pragma once

#include <optional>

#include "tools/report/page.h"
#include "tools/report/pages/study_points.h"

namespace moesim::tools {

// Which settings the best points by the first measure have in common. Nothing where fewer than
// three axes or points are there to compare.
std::optional<Figure> parallel_figure(const StudyPoints& study);

}  // namespace moesim::tools
