// Measured rows whose runs drafted tokens. No column says so, and none how many drafts were taken;
// the recipes do say which of them draft.
#pragma once

#include "validation/serving/e2e_rows.h"
#include "validation/serving/run_options.h"

namespace moesim::validation {

// Takes them out of `rows`, counted among those that are skipped, and marks saturation anew:
// - a row of a sweep that recipes cover only by ones that draft;
// - of several rows of one label and load that both kinds of recipes cover, those that are quicker
//   than the slowest of them by more than 5 %, which repeats of one run are not (TPOT of one
//   deployment's repeats: largest over smallest 1.006 in the median, 1.06 in the third quartile).
void set_drafted_apart(E2eRows& rows, const OptionTable& options);

}  // namespace moesim::validation
