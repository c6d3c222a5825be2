// A sweep of closed loops: gpt-oss-120b under vLLM 0.22 on one H200, prompts of about 8,192 tokens
// and 1,024 out, with the server's counters beside.
#pragma once

#include "sim/io/csv.h"
#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

bool is_sweep_table(const sim::io::CsvTable& table);

// A row for all runs with as many clients and prompts: the mean of what they measured, counted
// under `skipped` but for the first. Set apart are runs that drafted tokens and runs that did not
// complete all prompts. Throws InputError "t.csv:7: ...".
E2eRows read_sweep(const sim::io::CsvTable& table);

}  // namespace moesim::validation
