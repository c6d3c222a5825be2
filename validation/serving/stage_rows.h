// Published experiments of inference-sim (sim-to-real-accuracy-validation, results of vLLM):
// requests at a constant rate, in stages.
#pragma once

#include "sim/io/csv.h"
#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

bool is_stage_table(const sim::io::CsvTable& table);

// A row a stage. What a workload sends is not in the table: it is of the profiles of its
// experiments (lengths, rates, prompts that are shared). Set apart are whole runs, whose stages are
// rows; loads whose rate is not said; and those under which two thirds of the requests failed.
// Throws InputError "t.csv:7: ...".
E2eRows read_stages(const sim::io::CsvTable& table);

}  // namespace moesim::validation
