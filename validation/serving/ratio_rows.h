// dstack's comparison of prefill and decode workers: SGLang on gpt-oss-120b, each worker on two
// H200 of one node, a closed loop of random prompts.
#pragma once

#include "sim/io/csv.h"
#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

bool is_ratio_table(const sim::io::CsvTable& table);

// The model may stop before `osl`: outputs are drawn as widely about the mean as osl allows,
// evenly. Set apart are runs that did not complete all prompts. Throws InputError "t.csv:7: ...".
E2eRows read_ratio(const sim::io::CsvTable& table);

}  // namespace moesim::validation
