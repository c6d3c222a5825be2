#include "validation/serving/measured_tables.h"

#include <fmt/format.h>

#include <map>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "validation/serving/lab_rows.h"
#include "validation/serving/ratio_rows.h"
#include "validation/serving/stage_rows.h"
#include "validation/serving/sweep_rows.h"

namespace moesim::validation {

E2eRows read_measured(const std::vector<std::filesystem::path>& files) {
  E2eRows all;
  std::map<std::string, std::int64_t> skipped;
  std::size_t own = 0;
  for (const std::filesystem::path& file : files) {
    const auto table = sim::io::CsvTable::read(file);
    const auto reader = is_lab_table(table)     ? read_lab
                        : is_ratio_table(table) ? read_ratio
                        : is_stage_table(table) ? read_stages
                        : is_sweep_table(table) ? read_sweep
                                                : nullptr;
    if (reader == nullptr) continue;
    ++own;
    E2eRows read = reader(table);
    for (E2eRow& row : read.rows) all.rows.push_back(std::move(row));
    for (const SkippedRows& one : read.skipped) skipped[one.reason] += one.n;
  }
  if (own == 0) return read_e2e(files);
  if (own < files.size())
    throw sim::InputError(
        "some tables say what was sent to the engines and some leave it to their kind: give those "
        "of one kind at a time");
  for (const auto& [reason, n] : skipped) all.skipped.push_back({reason, n});
  return all;
}

}  // namespace moesim::validation
