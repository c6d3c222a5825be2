#include "validation/serving/drafted_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace moesim::validation {
namespace {

constexpr double kOfOneRun = 0.05;  // repeats of one run are no farther apart

// Rows that say the same of their run.
std::string load_of(const E2eRow& r) {
  return fmt::format("{} {} {} {} {}", r.deployment(), r.label_ep, r.isl, r.osl, r.concurrency);
}

}  // namespace

void set_drafted_apart(E2eRows& rows, const OptionTable& options) {
  std::map<std::string, double> slowest;  // TPOT, ms
  for (const E2eRow& r : rows.rows) {
    double& most = slowest[load_of(r)];
    most = std::max(most, r.tpot_ms);
  }
  std::int64_t always = 0, quicker = 0;
  std::vector<E2eRow> kept;
  for (E2eRow& r : rows.rows) {
    const bool may = r.mode == "agg" && r.swept() && options.may_draft(r);
    if (may && options.of(r).sets == 0)
      ++always;
    else if (may && r.tpot_ms < (1 - kOfOneRun) * slowest.at(load_of(r)))
      ++quicker;
    else
      kept.push_back(std::move(r));
  }
  rows.rows = std::move(kept);
  if (always > 0)
    rows.skipped.push_back({"recipes draft tokens: how many are taken is in no column", always});
  if (quicker > 0)
    rows.skipped.push_back({"quicker than its label's other row, and a recipe drafts", quicker});
  mark_saturated(rows.rows);
}

}  // namespace moesim::validation
