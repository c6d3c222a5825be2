// What a plan of training says that another does not: parts of plan_text.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/study/plan/plan.h"

namespace moesim::tools {

using PlanRow = std::pair<std::string, std::string>;  // what it is about, and the text

// "0.80 asked"; of an answer that is the fewest alone, why less is asked of it.
std::string confidence_asked(const PlanSpec& spec, const PlanAnswer& answer);
// ": the plan", ": cluster h100-8x8: its log"; nothing where it is assumed, which the guide says.
std::string stops_of(const PlanAnswer& answer);
// "Mixtral: 1e+12 tokens within 60 days"
std::string run_asked(const PlanSpec& spec);
// "48 GPUs (6 nodes), H100 SXM, tp2-pp2-dp12-ep8, micro-batch 1, 1f1b"
std::string run_head(const Plan& plan, const PlanAnswer& answer);
// REQUIRES of all: a plan of training
std::vector<PlanRow> run_rows(const PlanSpec& spec, const PlanAnswer& answer);
// The best of those with fewer GPUs.
std::vector<PlanRow> fewer_rows(const Plan& plan, const PlanSpec& spec, const PlanAnswer& answer);
// REQUIRES: there is a second
std::string run_second(const Plan& plan, const PlanSpec& spec);
// REQUIRES: there is a nearest
std::vector<PlanRow> nearest_run_rows(const Plan& plan, const PlanSpec& spec);

}  // namespace moesim::tools
