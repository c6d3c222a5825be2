// GPUStack's performance lab: engines under `vllm bench serve`, all requests at once or by so many
// clients, one row a command line.
#pragma once

#include <filesystem>

#include "sim/io/csv.h"
#include "validation/serving/e2e_rows.h"

namespace moesim::validation {

bool is_lab_table(const sim::io::CsvTable& table);

// Random prompts and their outputs have one length each, that of the row's sums; of ShareGPT a
// table has the means alone: log-normal with a coefficient of variation of 1 is taken. Set apart
// are repeats of one run, rows whose command cannot be read, is of another model than the page or
// asks for more GPUs than it says, and rows whose throughput is not tokens over time. Throws
// InputError "t.csv:7: ...": a count, a time or a rate that cannot be.
E2eRows read_lab(const sim::io::CsvTable& table);

}  // namespace moesim::validation
