// A cost model as a factor of a study, "factor.gemm": what a result were if the model were off. It
// follows from the doubts of a step that was played (doubt.h), so it takes no further run.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/study/doubt.h"
#include "tools/study/factor.h"

namespace moesim::tools {

// "factor.gemm", ... "factor.structure".
std::vector<std::string> model_factor_keys();

// Of a key, or of what begins with one.
bool is_model_factor(std::string_view text);

//   factor.gemm             over the model's own 80 % interval, as normal deviations: "-1.28 sd"
//   factor.gemm=0.9..1.1    so many times what the model says (any range or list of factor.h)
// and factor.structure, what is in no model (report/structure.h), of the whole step. Throws
// ConfigError `where: …` where there is no such model, or its times would not be above 0.
Factor read_model_factor(std::string_view text, const std::string& where);

// What such factors were set to, "factor.gemm=1.05" or "factor.gemm=-0.5 sd".
// REQUIRES: values of read_model_factor's factors (factor.h, value_at)
Doubt::Draw draw_of(std::span<const std::string> sets);

}  // namespace moesim::tools
