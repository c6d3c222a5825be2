// What reports on measured engines have in common: errors, and rows that are set apart.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "validation/serving/e2e_rows.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::tools {

double rounded(double value);  // to hundredths
sim::io::Json error_json(const validation::E2eError& error);

std::string set_apart_text(const std::vector<validation::SkippedRows>& rows);
sim::io::Json set_apart_json(const std::vector<validation::SkippedRows>& rows);

}  // namespace moesim::tools
